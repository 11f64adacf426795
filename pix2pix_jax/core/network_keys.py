"""Keys of the configuration about the two networks and their losses."""

from pix2pix_jax.core import choices
from pix2pix_jax.core.rules import (
    SHARE,
    WEIGHT,
    Choice,
    Key,
    Number,
    Own,
    Several,
    Switch,
    Text,
    Whole,
)

_HALVINGS = 15  # of the largest side

NETWORK_KEYS = {
    "model.generator": Key("unet", Choice(choices.GENERATORS, or_own=True), "the generator's kind"),
    "model.base_features": Key(
        64, Whole(1, 2**12), "features of the outermost layer, in both networks"
    ),
    "model.norm": Key("instance", Choice(choices.NORMS), "normalisation between the layers"),
    "model.activation": Key(
        "relu", Choice(choices.ACTIVATIONS), "activation of the generator's decoder or blocks"
    ),
    "model.upsample": Key(
        "transposed",
        Choice(choices.UPSAMPLINGS),
        "how the generator doubles the size of its features",
    ),
    "model.dropout": Key(
        0.5, SHARE, "rate of dropout, in the U-Net's decoder or in the residual blocks"
    ),
    "model.dropout_placement": Key(
        "reference",
        Choice(choices.DROPOUT_PLACEMENTS),
        "layers of the U-Net that have dropout: those of the paper's code or of the reference's",
    ),
    "model.levels": Key(
        0, Whole(0, _HALVINGS), "how many times the U-Net halves the image; 0: as often as possible"
    ),
    "model.unet_skips": Key(
        True, Switch(), "skip connections of the U-Net; False: the paper's encoder-decoder"
    ),
    "model.blocks": Key(9, Whole(1, 2**8), "number of residual blocks of resnet and hybrid"),
    "model.downsamplings": Key(3, Whole(1, _HALVINGS), "number of strided convolutions of hybrid"),
    "model.discriminator": Key(
        "patch", Choice(choices.DISCRIMINATORS, or_own=True), "the discriminator's kind"
    ),
    "model.discriminator_features": Key(
        0, Whole(0, 2**12), "features of the discriminator's first layer; 0: model.base_features"
    ),
    "model.discriminator_layers": Key(
        3,
        Whole(1, _HALVINGS),
        "number of stride-2 layers of the PatchGAN; 3: it judges patches of 70x70 pixels",
    ),
    "model.discriminator_scales": Key(2, Whole(1, _HALVINGS), "number of scales of multiscale"),
    "model.discriminator_norm": Key(
        "",
        Choice(choices.NORMS, or_empty=True),
        "normalisation in the discriminator; '': as model.norm",
    ),
    "model.conditional": Key(True, Switch(), "whether the discriminator also sees the source"),
    "model.spectral_norm": Key(
        False, Switch(), "spectral normalisation of the discriminator's kernels"
    ),
    "model.initializer": Key(
        "normal", Choice(choices.INITIALIZERS), "distribution of the initial kernels"
    ),
    "model.remat": Key(
        False,
        Switch(),
        "compute the generator's blocks again, not keep them: less memory, more time; not on CPUs",
    ),
    "model.dtype": Key(
        "float32", Choice(choices.COMPUTE_DTYPES), "dtype of computation; parameters are float32"
    ),
    "model.precision": Key(
        "default",
        Choice(choices.PRECISIONS),
        "least precision of float32 products; default: GPUs TF32, TPUs bfloat16; CPUs float32",
    ),
    "loss.gan": Key(
        "vanilla", Choice(choices.GAN_LOSSES), "the adversarial loss; none: no discriminator"
    ),
    "loss.reconstruction": Key(
        "l1",
        Choice(choices.RECONSTRUCTION_LOSSES),
        "distance of the generator's output from the target",
    ),
    "loss.cross_entropy_weight": Key(
        0.0,
        WEIGHT,
        "weight of the cross-entropy of classes beside loss.reconstruction (data.target_classes); "
        "0: none",
    ),
    "loss.reconstruction_weight": Key(
        100.0, WEIGHT, "weight of loss.reconstruction: lambda of the paper's eq. 4"
    ),
    "loss.discriminator_weight": Key(
        0.5, WEIGHT, "weight of the sum of the discriminator's two losses"
    ),
    "loss.feature_matching_weight": Key(
        0.0,
        WEIGHT,
        "weight of the L1 distance of the discriminator's features; 0: none; pix2pixHD: 10",
    ),
    "loss.gradient_penalty_weight": Key(10.0, WEIGHT, "weight of the gradient penalty of wgangp"),
    "loss.perceptual": Key(
        "lpips_alex",
        Choice(choices.PERCEPTUAL_LOSSES),
        "what loss.perceptual_weight weighs: LPIPS by AlexNet or VGG16, or L1 of VGG16's features",
    ),
    "loss.perceptual_weight": Key(
        0.0, WEIGHT, "weight of the distance in a network trained on photos; 0: none"
    ),
    "loss.perceptual_file": Key(
        "",
        Text(),
        "weights of that network, as for eval.lpips_file",
    ),
    "loss.r1_weight": Key(
        0.0,
        WEIGHT,
        "weight of the R1 penalty, which keeps the discriminator flat at targets; 0: none",
    ),
    "loss.r1_every": Key(
        16,
        Whole(1, 10**4),
        "steps from one R1 penalty to the next, which counts as many times as much",
    ),
    "loss.shift_tolerance": Key(
        0,
        Whole(0, 64),
        "pixels by which a target may be off its source: the reconstruction loss takes the best "
        "shift; 0: none",
    ),
    "loss.diffaugment": Key(
        (),
        Several(
            Choice(choices.DISCRIMINATOR_CHANGES),
            "give some of color, translation and cutout, or ()",
        ),
        "random changes of what the discriminator sees, for few pairs (DiffAugment); (): none",
    ),
    "loss.diffaugment_share": Key(
        1.0, Number(0, 1), "share of images that each change of loss.diffaugment is made to"
    ),
    "loss.diffaugment_target": Key(
        0.0,
        SHARE,
        "the share starts at 0 and rises while the discriminator's mean sign on targets is above "
        "this, such as 0.6; 0: the share is fixed",
    ),
    "loss.diffaugment_images": Key(
        100_000, Whole(1, 10**9), "number of images in which that share moves from 0 to 1"
    ),
    "loss.label_smoothing": Key(
        0.0, SHARE, "the label of real images is 1 minus this (vanilla, lsgan)"
    ),
    "loss.extra": Key(
        (),
        Several(Own(), "give references to own code, or ()"),
        "own losses of the generator's output",
    ),
    "loss.extra_weights": Key(
        (),
        Several(Number(-1e38, 1e38), "give one number for each entry of loss.extra, or ()"),
        "weights of loss.extra, one each; (): all 1.0",
    ),
}
