"""Rows of a few single-precision numbers, as one vector of the processor.

A row of a contiguous float32 array (rows, 8) is loaded whole (``row8``); rows are added, and multiplied by rows and
numbers, and ``put`` back. Loops over so few columns would stay scalar: the compiler unrolls
them before it looks for vectors, and cannot know that the arrays do not overlap.
"""

import operator

from kernels.jit import intrinsic, ir, models, overload, register_model, types

__all__ = ["Row", "put", "row8"]


class Row(types.Type):
    """So many float32 in one register."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(name=f"Row({width})")


@register_model(Row)
class _RowModel(models.PrimitiveModel):
    def __init__(self, manager, row):
        super().__init__(manager, row, ir.VectorType(ir.FloatType(), row.width))


def _address(context, builder, array_type, array, index, width):
    """Pointer to row ``index`` of a contiguous array as a vector."""
    data = context.make_array(array_type)(context, builder, array).data
    first = builder.mul(index, ir.Constant(index.type, width))
    return builder.bitcast(builder.gep(data, [first]), ir.VectorType(ir.FloatType(), width).as_pointer())


def _contiguous(array) -> bool:
    return isinstance(array, types.Array) and array.dtype == types.float32 and array.ndim == 2 and array.layout == "C"


def _loading(width):
    row = Row(width)

    @intrinsic
    def load(typingctx, array, index):
        if not _contiguous(array):
            return None

        def generate(context, builder, signature, args):
            number = context.cast(builder, args[1], signature.args[1], types.intp)
            return builder.load(_address(context, builder, signature.args[0], args[0], number, width), align=4)

        return row(array, index), generate

    return load


# (array, index): the row
row8 = _loading(8)


@intrinsic
def put(typingctx, array, index, row):
    """(array, index, row): write a row."""
    if not _contiguous(array) or not isinstance(row, Row):
        return None

    def generate(context, builder, signature, args):
        number = context.cast(builder, args[1], signature.args[1], types.intp)
        builder.store(args[2], _address(context, builder, signature.args[0], args[0], number, row.width), align=4)
        return context.get_dummy_value()

    return types.void(array, index, row), generate


@intrinsic
def _sum(typingctx, a, b):
    return a(a, b), lambda context, builder, signature, args: builder.fadd(*args)


@intrinsic
def _product(typingctx, a, b):
    return a(a, b), lambda context, builder, signature, args: builder.fmul(*args)


@intrinsic
def _spread(typingctx, number, row):
    """A row with the number in every column."""

    def generate(context, builder, signature, args):
        single = context.cast(builder, args[0], signature.args[0], types.float32)
        vector = ir.VectorType(ir.FloatType(), row.width)
        first = builder.insert_element(ir.Constant(vector, ir.Undefined), single, ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), row.width), None)
        return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), mask)

    return row(number, row), generate


@overload(operator.add, inline="always")
def _add(a, b):
    if isinstance(a, Row) and a == b:
        return lambda a, b: _sum(a, b)
    return None


@overload(operator.mul, inline="always")
def _multiply(a, b):
    if isinstance(a, Row) and a == b:
        return lambda a, b: _product(a, b)
    if isinstance(a, types.Number) and isinstance(b, Row):
        return lambda a, b: _product(_spread(a, b), b)
    return None
