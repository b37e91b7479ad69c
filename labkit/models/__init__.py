"""Les modèles du cours : un fichier par famille, à lire à côté de son lab."""

from labkit.models import stylegan3
from labkit.models.autoencoder import AutoEncoder, autoencoder_loss
from labkit.models.bounds import active_units, evaluate, importance_weighted_bound
from labkit.models.classifier import Classifier, classifier_step
from labkit.models.cvae import ConvCVAE
from labkit.models.dcgan import DCDiscriminator, DCGenerator
from labkit.models.diffusion import DDPM, cosine_betas, linear_betas
from labkit.models.ensemble import Ensemble
from labkit.models.flow import FlowMatching
from labkit.models.gan import (
    LOSSES,
    AdversarialLoss,
    Discriminator,
    Generator,
    discriminator_step,
    draw,
    generator_step,
    gradient_norms,
    penalty_step,
    r1_penalty,
    r1_r2_penalty,
    unit_gradient_penalty,
)
from labkit.models.generation import token_probabilities
from labkit.models.language import causal_step, mask_tokens, masked_step, token_loss
from labkit.models.plane import PlaneDiscriminator, PlaneGenerator
from labkit.models.samplers import autoguidance, class_guidance, prediction
from labkit.models.transformer import CausalLM, MaskedLM
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
    "LOSSES",
    "VAE",
    "AdversarialLoss",
    "AutoEncoder",
    "CausalLM",
    "Classifier",
    "ConvCVAE",
    "ConvDecoder",
    "ConvEncoder",
    "DCDiscriminator",
    "DCGenerator",
    "DenseDecoder",
    "DenseEncoder",
    "Discriminator",
    "Ensemble",
    "FlowMatching",
    "Generator",
    "MaskedLM",
    "PlaneDiscriminator",
    "PlaneGenerator",
    "UNet",
    "UNetBlock",
    "active_units",
    "autoencoder_loss",
    "autoguidance",
    "causal_step",
    "class_guidance",
    "classifier_step",
    "cosine_betas",
    "discriminator_step",
    "draw",
    "evaluate",
    "gaussian_kl",
    "generator_step",
    "gradient_norms",
    "importance_weighted_bound",
    "linear_betas",
    "mask_tokens",
    "masked_step",
    "penalty_step",
    "prediction",
    "r1_penalty",
    "r1_r2_penalty",
    "reparameterize",
    "stylegan3",
    "time_embedding",
    "token_loss",
    "token_probabilities",
    "unit_gradient_penalty",
    "vae_loss",
    "vae_loss_from_logits",
    "vae_step",
]
