"""Pictures of two classes, bright on the left or on the right: every model must tell them apart or draw them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from recaug.config import Images, ImageSource, load
from recaug.lake.store import Store
from recaug.training.images import ClassifierTask, ImageGANTask, ImageVAETask
from recaug.training.loop import Batch, TrainingPlan, fit
from recaug.training.models.image_classifier import ImageClassifier
from recaug.training.models.image_gan import ImageGAN, differentiable_augmentation
from recaug.training.models.image_layers import PerceptronDecoder, to_pixels, to_unit
from recaug.training.models.image_vae import ImageVAE
from recaug.training.worker import Worker

CLOTHING = Path(__file__).parents[3] / "conf" / "images" / "clothing.yaml"


def settings(network: str) -> Images:
    """The shipped configuration with small models of 28 x 28 grey pictures."""
    given = load(CLOTHING).images
    assert given is not None

    def brief(section, rate, **changes):
        optimiser = section.optimiser
        quick = {"epochs": 8, "batch_rows": 16, "learning_rate": rate, "clip_norm": 10.0}
        return type(section)(
            **{name: getattr(section, name) for name in section.__struct_fields__}
            | {"width": 4, "optimiser": type(optimiser)(**quick)}
            | changes
        )

    return Images(
        **{name: getattr(given, name) for name in given.__struct_fields__}
        | {
            "size": 28,
            "channels": 1,
            "network": network,
            "gan": brief(given.gan, 0.002, z_dim=8, discriminator_learning_rate=0.002, ema=0.8),
            "vae": brief(given.vae, 0.001, z_dim=4),
            "classifier": brief(given.classifier, 0.01),
        }
    )


def halves(n: int, seed: int) -> Batch:
    """N noisy pictures, even ones of class 0 (bright left), odd ones of class 1 (bright right)."""
    random = torch.Generator().manual_seed(seed)
    code = torch.arange(n) % 2
    bright = (torch.arange(28)[None, None, :] < 14) == (code == 0)[:, None, None]
    pixels = torch.where(bright, 200, 50) + torch.randint(-40, 40, (n, 28, 28), generator=random)
    return {"pixels": pixels.reshape(n, -1), "code": code}


def batches() -> Iterator[Batch]:
    seed = 0
    while True:
        yield halves(16, seed)
        seed += 1


def contrast(pictures: Tensor) -> Tensor:
    """How much brighter the left half is than the right, each picture."""
    return pictures[..., :14].mean(dim=(1, 2, 3)) - pictures[..., 14:].mean(dim=(1, 2, 3))


@pytest.mark.parametrize("network", ["convolutional", "perceptron"])
@pytest.mark.parametrize("kind", ["gan", "vae"])
def test_a_generator_draws_pictures_of_the_class_that_it_is_asked_for(tmp_path: Path, network: str, kind: str) -> None:
    config, shape = settings(network), (28, 28, 1)
    torch.manual_seed(3)
    common = {"network": network, "width": 4, "size": 28, "channels": 1}
    if kind == "gan":
        task = ImageGANTask(ImageGAN(2, z_dim=8, spectral_norm=True, **common), config, shape)
    else:
        task = ImageVAETask(ImageVAE(2, z_dim=4, **common), config, shape)
    optimiser = getattr(config, kind).optimiser
    curves = fit(
        task,
        batches(),
        Worker(),
        Store(tmp_path),
        TrainingPlan(kind, optimiser, 15, seed=1, checkpoint_epochs=99),
    )
    labels = torch.arange(40) % 2
    drawn = contrast(task.model.sample(labels, torch.Generator().manual_seed(0)))
    assert float(drawn[labels == 0].mean()) > 0.3
    assert float(drawn[labels == 1].mean()) < -0.3
    measure = "spread" if kind == "gan" else "sigma"
    assert all(0 < curve[measure] < 1 for curve in curves)


def test_a_classifier_tells_the_two_classes_apart(tmp_path: Path) -> None:
    config = settings("convolutional")
    torch.manual_seed(0)
    task = ClassifierTask(ImageClassifier(2, width=4, size=28, channels=1, dropout=0.1), config, (28, 28, 1))
    fit(
        task,
        batches(),
        Worker(),
        Store(tmp_path),
        TrainingPlan("classifier", config.classifier.optimiser, 5, seed=1, checkpoint_epochs=99),
    )
    unseen = halves(64, 999)
    told = task.model(to_unit(unseen["pixels"].view(-1, 28, 28, 1))).argmax(dim=1)
    assert float((told == unseen["code"]).float().mean()) > 0.95


@pytest.mark.parametrize("network", ["convolutional", "perceptron"])
@pytest.mark.parametrize(("size", "channels"), [(28, 1), (32, 3)])
def test_every_parameter_gets_a_gradient(network: str, size: int, channels: int) -> None:
    torch.manual_seed(0)
    shape = {"width": 4, "size": size, "channels": channels}
    pictures, labels = torch.rand(6, channels, size, size) * 2 - 1, torch.arange(6) % 3
    gan = ImageGAN(3, network=network, z_dim=8, spectral_norm=True, **shape)
    made = gan(torch.randn(6, 8), labels)
    assert made.shape == pictures.shape
    assert float(made.detach().abs().max()) <= 1
    (gan.discriminator(made, labels).square().sum()).backward()
    vae = ImageVAE(3, network=network, z_dim=4, **shape)
    decoded, mu, log_variance = vae(pictures, labels, torch.randn(6, 4))
    (vae.negative_log_likelihood(decoded, pictures) + mu.sum(dim=1) + log_variance.sum(dim=1)).sum().backward()
    classifier = ImageClassifier(3, dropout=0.0, **shape)
    F.cross_entropy(classifier(pictures), labels).backward()
    for model in (gan, vae, classifier):
        for name, parameter in model.named_parameters():
            if name.startswith("smooth."):
                assert not parameter.requires_grad
            else:
                assert parameter.grad is not None, name
                assert float(parameter.grad.abs().sum()) > 0, name


def test_the_perceptron_has_the_layers_of_the_textbook() -> None:
    decoder = PerceptronDecoder(0, z_dim=100, width=1, size=28, channels=1)
    widths = [(layer.in_features, layer.out_features) for layer in decoder.layers] + [
        (decoder.last.in_features, decoder.last.out_features)
    ]
    assert widths == [(100, 128), (128, 256), (256, 512), (512, 1024), (1024, 784)]


def test_the_averaged_weights_follow_the_generator() -> None:
    gan = ImageGAN(2, network="perceptron", z_dim=4, width=1, size=28, channels=1, spectral_norm=False)
    with torch.no_grad():
        for weight in gan.generator.parameters():
            weight.add_(1.0)
    before = gan.smooth.last.bias.clone()
    gan.follow(0.75)
    torch.testing.assert_close(gan.smooth.last.bias, before + 0.25)


def test_augmentation_differs_from_picture_to_picture_and_lets_gradients_pass() -> None:
    torch.manual_seed(1)
    pictures = torch.rand(1, 3, 32, 32).repeat(4, 1, 1, 1).requires_grad_(True)
    seen = differentiable_augmentation(pictures)
    assert seen.shape == pictures.shape
    assert all(not torch.equal(seen[0], other) for other in seen[1:])
    seen.sum().backward()
    assert pictures.grad is not None
    assert float(pictures.grad.abs().sum()) > 0
    cut = (seen == 0).all(dim=1).float().mean(dim=(1, 2))
    assert ((cut > 0.05) & (cut < 0.6)).all()  # a quarter at most, and what was shifted in


def test_pixels_come_back_from_units() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1)
    assert torch.equal(to_pixels(to_unit(pixels)), pixels)
    assert (float(to_unit(pixels).min()), float(to_unit(pixels).max())) == (-1.0, 1.0)


def test_the_source_of_the_shipped_configuration_is_an_archive() -> None:
    images = load(CLOTHING).images
    assert images is not None
    assert isinstance(images.source, ImageSource)
    assert images.source.format == "npz"
