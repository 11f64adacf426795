"""What the keys say of several sources."""

import pytest

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.config_files import load_json, override, save_json
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.source_parts import SourcePart, folder_names, source_depth, source_parts
from pix2pix_jax.core.validation import resolve


def config_of(**data):
    config = default_config()
    for key, text in {"source": "folders", **data}.items():
        override(config, f"data.{key}", text)
    return config


def test_one_source_is_what_it_always_was():
    data = resolve(config_of(source_channels="1", source_range="0,9")).data
    assert source_parts(data) == (SourcePart("", 1, "uint8", (0, 9), 0),)
    assert (data.source_channels, folder_names(data)) == (1, ())


def test_each_key_has_one_value_for_all_sources_or_one_for_each(tmp_path):
    config = config_of(
        folder_a="rgb,land,height",
        folder_b="map",
        source_channels="3,1,1",
        source_dtype="uint8,uint8,float32",
        source_classes="0,7,0",
        source_range="0,255,0,1,-5,40",
    )
    save_json(config, tmp_path / "config.json")
    assert load_json(tmp_path / "config.json") == config
    assert source_parts(resolve(config).data) == (
        SourcePart("rgb", 3, "uint8", (0, 255), 0),
        SourcePart("land", 1, "uint8", (0, 1), 7),
        SourcePart("height", 1, "float32", (-5, 40), 0),
    )
    assert source_depth(config.data) == 3 + 7 + 1
    alike = source_parts(config_of(folder_a="x,y", folder_b="z", source_range="0,9").data)
    assert [part.limits for part in alike] == [(0, 9), (0, 9)]


def test_sources_without_names_are_as_many_as_the_keys_say():
    assert folder_names(config_of(source_channels="3,1").data) == ("A1", "A2")
    assert folder_names(config_of(source_range="0,1,0,2,0,3").data) == ("A1", "A2", "A3")
    turned = config_of(source_dtype="uint8,uint16", direction="BtoA")
    assert folder_names(turned.data) == ("B1", "B2")
    assert folder_names(config_of(pair_by="_rgb,_dem,_map").data) == ("rgb", "dem")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"folder_a": "x,y", "folder_b": "z", "source_channels": "3,1,1"},
            r"data\.source_channels=3,1,1: give one value for all, or one for each of 2 .*\(x, y\)",
        ),
        (
            {"source_channels": "3,1,1", "source_range": "0,1,0,2"},
            r"data\.source_range=\(0, 1, 0, 2\): give two values for all, or two for each of 3",
        ),
        ({"source_range": "0,1,5,2"}, r"data\.source_range=.*the smaller one first"),
        ({"source_range": "0,1,5"}, r"data\.source_range=.*with several sources, two for each"),
        (
            {"source": "side_by_side", "source_channels": "3,1"},
            r"data\.source='side_by_side': has one source, .* 2 \(A1, A2\); .*data\.source=folders",
        ),
        (
            {"folder_a": "x", "folder_b": "y,z"},
            r"data\.folder_b=y,z with data\.direction=AtoB: sources may be several, but there is",
        ),
        ({"folder_a": "x", "folder_b": "y", "source_channels": "3,1"}, r"speak of 2 sources; name"),
        ({"source_dtype": "uint8,int8"}, r"data\.source_dtype=.*choose from float32"),
    ],
)
def test_what_does_not_go_together_is_one_line(data, message):
    with pytest.raises(InputError, match=message):
        resolve(config_of(**data))
