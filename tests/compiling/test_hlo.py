"""The text of compiled programs, and what is counted in it."""

import jax
import jax.numpy as jnp
import pytest
from compiling.counts import count, step_of
from compiling.hlo import arrays, parse
from jax import lax

# As a GPU's compiler writes it: a loop of 20 steps whose body has two convolutions, one with a
# filter as large as the image, a product, a sum over devices, a loop of three rounds, and a fusion
# that reads a part of the resident pairs.
GPU = """\
HloModule jit_call, is_scheduled=true, entry_computation_layout={(f32[8]{0})->f32[8]{0}}

%add (a.1: f32[], b.1: f32[]) -> f32[] {
  %a.1 = f32[] parameter(0)
  %b.1 = f32[] parameter(1)
  ROOT %sum.1 = f32[] add(%a.1, %b.1)
}

%fused_take (p.0: u8[100,8,8,3], p.1: s32[]) -> bf16[1,8,8,3] {
  %p.0 = u8[100,8,8,3]{3,2,1,0} parameter(0)
  %p.1 = s32[] parameter(1)
  %row = u8[1,8,8,3]{3,2,1,0} dynamic-slice(%p.0, %p.1), dynamic_slice_sizes={1,8,8,3}
  ROOT %as.float = bf16[1,8,8,3]{3,2,1,0} convert(%row)
}

%fused_product (p.2: bf16[4,4], p.3: bf16[4,4]) -> bf16[4,4] {
  %p.2 = bf16[4,4]{1,0} parameter(0)
  %p.3 = bf16[4,4]{1,0} parameter(1)
  ROOT %dot.1 = bf16[4,4]{1,0} dot(%p.2, %p.3), lhs_contracting_dims={1}, rhs_contracting_dims={0}
}

%inner_body (q: (s32[], f32[4])) -> (s32[], f32[4]) {
  %q = (s32[], /*index=1*/f32[4]{0}) parameter(0)
  %q.1 = f32[4]{0} get-tuple-element(%q), index=1
  %twice = f32[4]{0} fusion(%q.1), kind=kLoop, calls=%fused_twice
  ROOT %pair = (s32[], f32[4]{0}) tuple(%q.1, %twice)
}

%step.body (state: (s32[], u8[100,8,8,3], f32[4])) -> (s32[], u8[100,8,8,3], f32[4]) {
  %state = (s32[], u8[100,8,8,3]{3,2,1,0}, f32[4]{0}) parameter(0)
  %number = s32[] get-tuple-element(%state), index=0
  %pairs = u8[100,8,8,3]{3,2,1,0} get-tuple-element(%state), index=1
  %taken = bf16[1,8,8,3]{3,2,1,0} fusion(%pairs, %number), kind=kLoop, calls=%fused_take
  %conv.1 = (bf16[1,4,4,2]{3,2,1,0}, u8[0]{0}) custom-call(%taken, %taken), window={size=4x4 \
stride=2x2 pad=1_1x1_1}, dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convForward"
  %conv.2 = (bf16[4,4,2,2]{3,2,1,0}, u8[0]{0}) custom-call(%taken, %taken), window={size=16x16}, \
dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convForward"
  %conv.3 = (f32[4,4]{1,0}, u8[0]{0}) custom-call(%number), window={size=4x4}, \
custom_call_target="__cudnn$convBackwardFilter"
  %one = bf16[4,4]{1,0} get-tuple-element(%conv.2), index=0
  %product = bf16[4,4]{1,0} fusion(%one, %one), kind=kCustom, calls=%fused_product, \
backend_config={"fusion_backend_config":{"kind":"__triton_gemm"}}
  %third = f32[4]{0} get-tuple-element(%state), index=2
  %sent = f32[4]{0} all-reduce-start(%third), to_apply=%add
  %received = f32[4]{0} all-reduce-done(%sent)
  %small = (s32[], f32[4]{0}) while(%state), condition=%inner_test, body=%inner_body, \
backend_config={"known_trip_count":{"n":"3"}}
  ROOT %next = (s32[], u8[100,8,8,3]{3,2,1,0}, f32[4]{0}) tuple(%number, %pairs, %received)
}

ENTRY %main (x: u8[100,8,8,3]) -> f32[4] {
  %x = u8[100,8,8,3]{3,2,1,0} parameter(0)
  %start = (s32[], u8[100,8,8,3]{3,2,1,0}, f32[4]{0}) tuple(%x)
  %little = (s32[]) while(%start), condition=%t, body=%add
  %loop = (s32[], u8[100,8,8,3]{3,2,1,0}, f32[4]{0}) while(%start), condition=%t, \
body=%step.body, backend_config={"known_trip_count":{"n":"20"}}
  ROOT %end = f32[4]{0} get-tuple-element(%loop), index=2
}
"""

# As a TPU's compiler writes it: convolutions stand in fusions, a product is a convolution without
# sides, S(1) is memory on the chip, and instructions have estimates of their cycles.
TPU = """\
HloModule jit_call, is_scheduled=true

%fused_computation (p.0: bf16[8,16,16,4], p.1: bf16[8,16,16,4]) -> f32[4,4,4,4] {
  %p.0 = bf16[8,16,16,4]{0,3,2,1:T(8,128)(2,1)} parameter(0)
  %p.1 = bf16[8,16,16,4]{0,3,2,1:T(8,128)(2,1)S(1)} parameter(1)
  ROOT %c.1 = f32[4,4,4,4]{3,2,1,0:T(8,128)} convolution(%p.0, %p.1), window={size=16x16 \
pad=1_2x1_2}, dim_labels=f01b_i01o->01bf
}

%fused_computation.1 (p.2: bf16[8,8], p.3: bf16[8,8]) -> bf16[8,8] {
  %p.2 = bf16[8,8]{1,0} parameter(0)
  %p.3 = bf16[8,8]{1,0} parameter(1)
  ROOT %c.2 = bf16[8,8]{1,0} convolution(%p.2, %p.3), dim_labels=bf_io->bf
}

ENTRY %main.1 (x.1: bf16[8,16,16,4]) -> bf16[8,8] {
  %x.1 = bf16[8,16,16,4]{0,3,2,1:T(8,128)(2,1)} parameter(0)
  %space = bf16[8,8]{1,0} custom-call(), custom_call_target="AllocateBuffer"
  %near = bf16[8,16,16,4]{0,3,2,1:T(8,128)(2,1)S(1)} copy(%x.1), \
backend_config={"flag_configs":[],"estimated_cycles":"250"}
  %part = ((bf16[8,16,16,4]{0,3,2,1:T(8,128)(2,1)}), bf16[1,16,16,4]{0,3,2,1:T(8,128)(2,1)S(1)}, \
s32[]{:S(2)}) slice-start(%x.1), slice={[0:1], [0:16], [0:16], [0:4]}
  %part.end = bf16[1,16,16,4]{0,3,2,1:T(8,128)(2,1)S(1)} slice-done(%part)
  %fusion.1 = f32[4,4,4,4]{3,2,1,0:T(8,128)} fusion(%x.1, %near), kind=kOutput, \
calls=%fused_computation, backend_config={"estimated_cycles":"1000"}
  ROOT %fusion.2 = bf16[8,8]{1,0} fusion(%space, %space), kind=kOutput, \
calls=%fused_computation.1, backend_config={"estimated_cycles":"500"}
}
"""


def test_arrays_of_a_type_have_their_size_whatever_their_layout():
    kinds = "(bf16[8,16]{1,0:T(8,128)(2,1)S(1)}, /*index=1*/pred[3], f8e4m3fn[5]{0}, f32[], s4[3])"
    assert [array.bytes for array in arrays(kinds)] == [256, 3, 5, 4, 2]
    assert arrays(kinds)[0].layout == "{1,0:T(8,128)(2,1)S(1)}"
    assert arrays("token[]") == ()


def test_a_step_on_a_gpu_is_counted_with_its_inner_loops():
    program = parse(GPU)
    assert step_of(program) == "step.body"
    step = count(program, "step.body", apart={(100, 8, 8, 3)})
    # Taking the pair, three convolutions, the product, the sum, and three rounds of the inner loop.
    assert step.kernels == 1 + 3 + 1 + 1 + 3
    taken, one = 8 * 8 * 3 * 2, 4 * 4 * 2
    filters = taken + 4 * 4 * 2 * 2 * 2
    image = taken + 4 * 4 * 2 * 2
    assert step.bytes == (taken + 4) + image + filters + (64 + 4) + 2 * one + 2 * 16 + 3 * 2 * 16
    assert step.by("kind") == {"forward": 2, "filter gradient": 1}
    assert step.by("dtype") == {"bf16": 2, "s32": 1}
    assert (step.image_sized, step.products) == (1, 1)
    assert (step.all_reduces, step.all_reduce_bytes) == (1, 16)
    assert (step.cycles, step.open_loops) == (0, 0)
    assert count(program, program.entry).open_loops == 1  # the little one


def test_a_step_on_a_tpu_has_cycles_and_its_products_are_no_convolutions():
    program = parse(TPU)
    assert step_of(program) == "main.1"  # the compiler unrolls a loop of one step
    step = count(program, "main.1", on_chip="S(1)")
    assert step.kernels == 4
    image = 8 * 16 * 16 * 4 * 2
    part = image // 8 + 2 * 4  # read from a slice, and a number of the copy's
    assert step.bytes == image + part + (image + 4**4 * 4) + 2 * 128
    assert step.cycles == 1750
    assert step.by("kind") == {"filter gradient": 1}
    assert (step.products, step.image_sized) == (1, 0)  # a TPU knows what that is


def test_a_program_compiled_here_has_what_was_written():
    def call(image, kernel):
        def body(_, carry):
            def loss(image, kernel):
                down = lax.conv_general_dilated(
                    image, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
                return (down**2).sum()

            return tuple(jnp.tanh(one) for one in jax.grad(loss, (0, 1))(*carry))

        return lax.fori_loop(0, 7, body, (image, kernel))

    shapes = jnp.zeros((2, 16, 16, 3)), jnp.zeros((4, 4, 3, 5))
    program = parse(jax.jit(call).lower(*shapes).compile().as_text())
    body = step_of(program)
    step = count(program, body)
    assert body != program.entry
    assert step.by("dtype") == {"f32": 3}
    assert step.by("kind") == {"forward": 1, "input gradient": 1, "filter gradient": 1}
    assert step.kernels >= 3
    assert step.bytes > sum(array.nbytes for array in shapes)
    assert count(program, program.entry).kernels >= 7 * step.kernels


def test_a_text_that_is_no_program_is_refused():
    with pytest.raises(ValueError, match="no ENTRY"):
        parse("HloModule jit_call\n")
