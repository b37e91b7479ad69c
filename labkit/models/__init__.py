"""Les modèles du cours : un fichier par famille, à lire à côté de son lab."""

from labkit.models.autoencoder import AutoEncoder, autoencoder_loss
from labkit.models.classifier import Classifier, classifier_step
from labkit.models.cvae import ConvCVAE
from labkit.models.diffusion import DDPM, UNet, cosine_betas, linear_betas, time_embedding
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
    "DDPM",
    "VAE",
    "AutoEncoder",
    "Classifier",
    "ConvCVAE",
    "ConvDecoder",
    "ConvEncoder",
    "DenseDecoder",
    "DenseEncoder",
    "UNet",
    "active_units",
    "autoencoder_loss",
    "classifier_step",
    "cosine_betas",
    "gaussian_kl",
    "importance_weighted_bound",
    "linear_betas",
    "reparameterize",
    "time_embedding",
    "vae_loss",
    "vae_loss_from_logits",
]
