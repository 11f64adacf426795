"""Whole training steps against PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.torch_twins import NORMS, PatchTwin, UNetTwin, arrays_of, nchw, networks_for, tn, torch

from pix2pix_jax.data.augment import Examples
from pix2pix_jax.images.encoding import PHOTO
from pix2pix_jax.models.reference_layers import Architecture
from pix2pix_jax.models.reference_weights import to_weights
from pix2pix_jax.training.objectives import build_losses
from pix2pix_jax.training.state import create_train_state
from pix2pix_jax.training.step import make_train_step
from pix2pix_jax.training.step_parts import StepParts

functional = torch.nn.functional
SIZE, FEATURES, LEVELS, RATE = 64, 16, 6, 1e-3
# Without decay its trace is the gradient itself.
pytestmark = pytest.mark.usefixtures("optimized")

SGD = optax.sgd(RATE, momentum=0.0)


def distance(ours, theirs):
    """Return the norm of the whole difference over the norm."""
    names = theirs.keys()
    difference = sum(np.sum(np.square(ours[name] - theirs[name])) for name in names)
    return float(np.sqrt(difference / sum(np.sum(np.square(theirs[name])) for name in names)))


def plain(keys, source, target):
    return Examples(PHOTO.to_network(source), PHOTO.to_network(target))


def torch_step(twins, optimizers, source, target):
    """Take the reference's step: D on the detached fake, then G against the updated D."""
    (generator, discriminator), (g_optimizer, d_optimizer) = twins, optimizers
    entropy = functional.binary_cross_entropy_with_logits
    fake = generator(source)

    def judge(image, label):
        logits = discriminator(torch.cat([source, image], 1))
        return entropy(logits, torch.full_like(logits, label))

    d_optimizer.zero_grad()
    (0.5 * (judge(fake.detach(), 0.0) + judge(target, 1.0))).backward()
    d_gradients = gradients_of(discriminator)
    d_optimizer.step()
    g_optimizer.zero_grad()
    (judge(fake, 1.0) + 100 * functional.l1_loss(fake, target)).backward()
    g_gradients = gradients_of(generator)
    g_optimizer.step()
    return g_gradients, d_gradients


def gradients_of(module):
    return {name: value.grad.numpy().copy() for name, value in module.named_parameters()}


def compare_steps(norm, step, networks, seed, steps=3):
    """Take the same steps in both; return the differences of the first one's gradients and of the
    last one's statistics.
    """
    state = create_train_state(networks, SGD, SGD, seed=seed)
    kinds = (
        Architecture("unet", norm, LEVELS, FEATURES, 3, 3),
        Architecture("patch", norm, 3, FEATURES, 6, 1),
    )
    twins = (UNetTwin(LEVELS, FEATURES, norm), PatchTwin(3, FEATURES, norm))

    def theirs(g_params, d_params):
        trees = ((g_params, state.g_batch_stats), (d_params, state.d_batch_stats))
        return [to_weights(*tree, kind) for tree, kind in zip(trees, kinds, strict=True)]

    for twin, weights in zip(twins, theirs(state.g_params, state.d_params), strict=True):
        twin.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        for layer in twin.modules():
            if isinstance(layer, tn.Dropout):
                layer.p = 0.0
    optimizers = [torch.optim.SGD(twin.parameters(), RATE) for twin in twins]
    source, target = np.random.default_rng(seed).integers(0, 256, (2, 2, SIZE, SIZE, 3), np.uint8)
    batch = {"source": source, "target": target, "example": np.arange(2)}
    pair = [nchw(PHOTO.to_network(image)) for image in (source, target)]
    for number in range(steps):
        state, _ = step(state, jax.tree.map(jnp.asarray, batch))
        gradients = torch_step(twins, optimizers, *pair)
        if number == 0:
            ours = theirs(state.g_opt_state[0].trace, state.d_opt_state[0].trace)
            result = list(map(distance, ours, gradients))
    if norm == "batch":
        for twin, ours in zip(twins, theirs(state.g_params, state.d_params), strict=True):
            running = {key: value for key, value in arrays_of(twin).items() if "running" in key}
            result.append(distance(ours, running))
    return result


@pytest.mark.parametrize("norm", NORMS)
def test_a_training_step_has_the_gradients_and_statistics_of_pytorch(norm):
    config, networks = networks_for(Architecture("unet", norm, LEVELS, FEATURES, 3, 3), SIZE)
    losses = build_losses(**config.loss)
    parts = StepParts(networks.generator, networks.discriminator, SGD, SGD, losses, plain)
    step = jax.jit(make_train_step(parts))
    # Rounding can push an activation over a ReLU's kink, which alone moves a gradient, in about one
    # of six seeds. Nothing but the same computation agrees so closely in any of three.
    results = []
    for seed in range(3):
        results.append(compare_steps(norm, step, networks, seed))
        if np.all(np.min(results, axis=0) < 1e-4):
            return
    pytest.fail(f"relative differences of three seeds: {results}")
