"""Les modèles du cours : un fichier par famille, à lire à côté de son lab."""

from labkit.models.autoencoder import AutoEncoder, autoencoder_loss
from labkit.models.classifier import Classifier, classifier_step
from labkit.models.cvae import ConvCVAE
from labkit.models.vae import (
    VAE,
    ConvDecoder,
    ConvEncoder,
    DenseDecoder,
    DenseEncoder,
    active_units,
    gaussian_kl,
    importance_weighted_bound,
    reparameterize,
    vae_loss,
    vae_loss_from_logits,
)

__all__ = [
    "VAE",
    "AutoEncoder",
    "Classifier",
    "ConvCVAE",
    "ConvDecoder",
    "ConvEncoder",
    "DenseDecoder",
    "DenseEncoder",
    "active_units",
    "autoencoder_loss",
    "classifier_step",
    "gaussian_kl",
    "importance_weighted_bound",
    "reparameterize",
    "vae_loss",
    "vae_loss_from_logits",
]
