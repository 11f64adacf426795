"""Keys of the configuration about pairs: where they come from, their form, augmentation."""

from pix2pix_jax.core import choices
from pix2pix_jax.core.rules import (
    COUNT,
    SHARE,
    Choice,
    Key,
    NoData,
    Number,
    OneOrSeveral,
    Own,
    Several,
    Switch,
    Text,
    Whole,
)
from pix2pix_jax.core.scales import TARGET_SCALES

_LARGEST_SIDE = 2**15
_MOST_PAIRS = 10**7
_CHANNELS = Whole(1, 2**10)
_RANGE = Several(
    Number(-1e38, 1e38),
    "give the values that become -1 and 1, the smaller one first, or nothing",
    (0, 2),
)
_SOURCE_RANGE = Several(
    _RANGE.each, f"{_RANGE.expected}; with several sources, two for each", tuple(range(0, 101, 2))
)


def _size(*lengths: int) -> Several:
    optional = ", or ()" if 0 in lengths else ""
    return Several(
        Whole(1, _LARGEST_SIDE),
        f"give one side or (height, width), in pixels, from 1 to {_LARGEST_SIDE}{optional}",
        lengths,
    )


DATA_KEYS = {
    "data.source": Key(
        "synthetic",
        Choice(choices.SOURCES, or_own=True),
        "where pairs come from: files, a published set, TensorFlow Datasets, or own code",
    ),
    "data.root": Key("", Text(), "folder of the data set; for tfds and pix2pix: where it is kept"),
    "data.archive": Key(
        "", Text(), "for pix2pix:<name>: a local .tar.gz, or the folder that holds it"
    ),
    "data.direction": Key(
        "AtoB",
        Choice(choices.DIRECTIONS),
        "AtoB: A, the left half or folder A, is the source; BtoA: B is",
    ),
    "data.tfds_source": Key(
        "", Text(), "image feature of tfds:<name> that is the source; '': its first"
    ),
    "data.tfds_target": Key(
        "",
        Text(),
        "image feature of tfds:<name> that is the target; '': its second, or its only one",
    ),
    "data.folder_a": Key(
        "",
        OneOrSeveral(Text()),
        "for folders: name of folder A, such as aerial, or of several sources, such as rgb,height; "
        "'': the usual names",
    ),
    "data.folder_b": Key(
        "",
        OneOrSeveral(Text()),
        "for folders: name of folder B, such as street, or of several sources with BtoA; '': the "
        "usual names",
    ),
    "data.pair_by": Key(
        (),
        Several(
            Text(),
            "give the ends of files' names, such as _A,_B, one for each source and target, or ()",
            (0, *range(2, 101)),
        ),
        "for folders with both sides in one: how names of A and B end, such as _A,_B; (): the "
        "usual ways",
    ),
    "data.split_names": Key(
        (),
        Several(Text(), "give the names of the train, val and test folders, or ()", (0, 3)),
        "names of the folders of train, val and test, such as train,valid,test; (): the usual ones",
    ),
    "data.unpaired": Key(
        "fail",
        Choice(choices.ON_FAULT),
        "on a file without a partner in folders: fail, or skip it and count",
    ),
    "data.split": Key(
        (),
        Several(
            Number(0, _MOST_PAIRS),
            "give shares of train, val and test that add up to 1, such as (0.7, 0.15, 0.15), or "
            "three counts, or ()",
            (0, 3),
        ),
        "shares such as (0.7, 0.15, 0.15) of train, val and test, or counts; (): use the split "
        "folders",
    ),
    "data.max_pairs": Key(0, COUNT, "largest number of pairs per split; 0: all"),
    "data.patch_size": Key(
        (), _size(0, 1, 2), "cut each pair into patches of this size; (): keep it whole"
    ),
    "data.resize": Key(
        "resize_and_crop",
        Choice(choices.RESIZES),
        "how a pair gets its size. resize_and_crop: to load_size, then a random crop; scale_width:"
        " the width to load_size's",
    ),
    "data.image_size": Key(
        (256, 256), _size(1, 2), "height and width for the networks; one number: a square"
    ),
    "data.load_size": Key(
        (), _size(0, 1, 2), "size that crops are cut from; (): image_size * 286 / 256"
    ),
    "data.target_scale": Key(
        1.0,
        Number(0.5, 4, values=TARGET_SCALES),
        "how many times as large the target's sides are as the source's, which has the sizes above",
    ),
    "data.source_channels": Key(
        3,
        OneOrSeveral(_CHANNELS),
        "channels of the source: 1 gray, 3 RGB, 4 RGBA; any number from .npy and .tif; of several "
        "sources 3,1,1",
    ),
    "data.target_channels": Key(
        3, _CHANNELS, "channels of the target: 1 gray, 3 RGB, 4 RGBA; any number from .npy and .tif"
    ),
    "data.source_dtype": Key(
        "uint8",
        OneOrSeveral(Choice(choices.FILE_DTYPES)),
        "dtype of the source's files; of several sources uint8,uint16",
    ),
    "data.target_dtype": Key("uint8", Choice(choices.FILE_DTYPES), "dtype of the target's files"),
    "data.source_range": Key(
        (),
        _SOURCE_RANGE,
        "values of the source's files that become -1 and 1; (): the dtype's range, or 0, 1; of two "
        "sources 0,255,-5,40",
    ),
    "data.target_range": Key(
        (),
        _RANGE,
        "values of the target's files that become -1 and 1; (): the dtype's range, or 0, 1",
    ),
    "data.source_classes": Key(
        0,
        OneOrSeveral(Whole(0, 2**10)),
        "number of classes if the source's pixels are class indices; 0: they are colours; of "
        "several sources 0,19",
    ),
    "data.target_classes": Key(
        0,
        Whole(0, 2**10),
        "number of classes if the target's pixels are class indices; 0: they are colours",
    ),
    "data.source_no_data": Key(
        "",
        OneOrSeveral(NoData()),
        "what marks pixels of the source without data, which do not count: nan, or a number such "
        "as -9999; '': nothing; of several sources nan,0",
    ),
    "data.target_no_data": Key(
        "",
        NoData(),
        "what marks pixels of the target without data; results get it where the source is marked; "
        "'': nothing",
    ),
    "data.mask": Key(
        "",
        Text(),
        "for folders: name of the folder of masks beside A and B; black pixels do not count, white "
        "ones do, gray ones partly; '': all count",
    ),
    "data.synthetic_pairs": Key(
        (400, 40, 40),
        Several(
            Whole(0, _MOST_PAIRS),
            f"give the train, val and test counts, each from 0 to {_MOST_PAIRS}",
            (3,),
        ),
        "number of train, val and test pairs that data.source=synthetic draws",
    ),
    "data.max_pixels": Key(
        2**27, Whole(1, 2**40), "an image with more pixels is refused before it is unpacked"
    ),
    "data.on_error": Key(
        "fail",
        Choice(choices.ON_FAULT),
        "on a file that cannot be read: fail, or skip it and count",
    ),
    "data.cache_gigabytes": Key(
        4.0, Number(0, 1e6), "decoded pairs are kept in memory up to this size, else streamed"
    ),
    "data.device_share": Key(
        0.3,
        Number(0, 1),
        "on an accelerator, pairs that fit into this share of its memory are kept there; 0: never",
    ),
    "data.resident": Key(
        "auto",
        Choice(choices.RESIDENCES),
        "how several accelerators keep pairs: copy (all on each), spread (a share on each), or "
        "auto: a copy if it fits, else spread",
    ),
    "data.workers": Key(8, Whole(1, 2**10), "threads that read and decode"),
    # How the other side of single images is made.
    "derive.kind": Key(
        "",
        Choice(choices.DERIVATIONS, or_empty=True),
        "how the other side of single images is made (and of a tfds set with one image)",
    ),
    "derive.edge_low": Key(100.0, Number(0, 2040), "for edges: lower threshold of Canny's method"),
    "derive.edge_high": Key(200.0, Number(0, 2040), "for edges: upper threshold of Canny's method"),
    "derive.edge_blur": Key(
        0.0,
        Number(0, 100),
        "for edges: standard deviation of a Gaussian before Canny's method, in pixels; 0: none",
    ),
    "derive.blur_sigma": Key(
        2.0, Number(0, 100), "for blur: standard deviation of the Gaussian, in pixels"
    ),
    "derive.downscale": Key(4, Whole(1, 2**16), "for downscale: factor"),
    "derive.mask_share": Key(
        0.25,
        Number(0, 1, open_low=True, open_high=True),
        "for mask: area of the hole, as a share of the image",
    ),
    # For training pairs: both sides get the same geometric change.
    "augment.flip": Key(True, Switch(), "mirror half of the training pairs left to right"),
    "augment.vertical_flip": Key(
        False, Switch(), "mirror half of the training pairs top to bottom"
    ),
    "augment.rotate": Key(
        False, Switch(), "rotate training pairs by 0, 90, 180 or 270 degrees; square images only"
    ),
    "augment.color_jitter": Key(
        (0.0, 0.0, 0.0),
        Several(
            Number(0, 1),
            "give three strengths in [0, 1], for brightness, contrast and saturation",
            (3,),
        ),
        "strengths of random brightness, contrast and saturation in training",
    ),
    "augment.jitter_side": Key(
        "source", Choice(choices.JITTER_SIDES), "side that augment.color_jitter changes"
    ),
    "augment.cutout": Key(
        0.0,
        SHARE,
        "side of a square hole in training sources, as a share of the image's side; 0: none",
    ),
    "augment.affine": Key(
        (0.0, 0.0, 0.0, 0.0),
        Several(
            Number(0, 180),
            "give the largest rotation in degrees, scaling as a share, shear in degrees and "
            "translation as a share of the side",
            (4,),
        ),
        "largest random rotation (degrees), scaling (share), shear (degrees) and translation "
        "(share of the side) of training pairs",
    ),
    "augment.elastic": Key(
        (0.0, 32.0),
        Several(Number(0, 2**15), "give the largest displacement and the grid's spacing", (2,)),
        "largest random displacement of a grid's points, and their spacing, in pixels: training "
        "pairs are bent like rubber; (0, ...): none",
    ),
    "augment.mosaic": Key(
        0.0, Number(0, 1), "share of training examples that are composed of four pairs"
    ),
    "augment.extra": Key(
        (), Several(Own(), "give references to own code, or ()"), "own augmentations"
    ),
}
