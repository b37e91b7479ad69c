"""Les modèles du cours : un fichier par famille, à lire à côté de son lab."""

from labkit.models.autoencoder import AutoEncoder, autoencoder_loss

__all__ = ["AutoEncoder", "autoencoder_loss"]
