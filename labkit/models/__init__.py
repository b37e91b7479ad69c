"""Les modèles du cours : un fichier par famille, à lire à côté de son lab."""

from labkit.models.autoencoder import AutoEncoder, autoencoder_loss
from labkit.models.bounds import active_units, evaluate, importance_weighted_bound
from labkit.models.classifier import Classifier, classifier_step
from labkit.models.cvae import ConvCVAE
from labkit.models.diffusion import DDPM, cosine_betas, linear_betas
from labkit.models.samplers import autoguidance, class_guidance, prediction
from labkit.models.unet import UNet, UNetBlock, time_embedding
from labkit.models.vae import (
    VAE,
    ConvDecoder,
    ConvEncoder,
    DenseDecoder,
    DenseEncoder,
    gaussian_kl,
    reparameterize,
    vae_loss,
    vae_loss_from_logits,
    vae_step,
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
    "UNetBlock",
    "active_units",
    "autoencoder_loss",
    "autoguidance",
    "class_guidance",
    "classifier_step",
    "cosine_betas",
    "evaluate",
    "gaussian_kl",
    "importance_weighted_bound",
    "linear_betas",
    "prediction",
    "reparameterize",
    "time_embedding",
    "vae_loss",
    "vae_loss_from_logits",
    "vae_step",
]
