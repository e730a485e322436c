"""Pictures show the numbers of the run: colours, lines and differences are read back from the figure."""

import numpy as np
import pytest
from sample_world import RESULTS, sample_world, step_arrays, times
from whole_world import EVERY, WHOLE_RESULTS, whole_arrays, whole_world

from twin.analysis import open_run
from twin.errors import RecordError
from twin.records import RunWriter

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder, world, made = tmp_path_factory.mktemp("p"), sample_world(), []
    for name, scale in (("a", 1.0), ("b", 1.5)):
        with RunWriter.create(
            folder / f"{name}.h5", world, RESULTS, times(3), {"title": "Sample"}, significant_bits=None
        ) as writer:
            for k in range(3):
                arrays = step_arrays(world, k)
                writer.write(k, arrays | {"road_flow": arrays["road_flow"] * scale})
            made.append(open_run(writer.finish()))
    yield made
    matplotlib.pyplot.close("all")


def test_map_shows_the_field_of_the_time_asked(runs):
    given = step_arrays(sample_world(), 1)["n_deposition"].astype("f4")
    for time in (1, "2020-01-01T01:00", "2020-01-01T02:00+01:00", np.datetime64("2020-01-01T01:00")):
        ax = runs[0].plot.map("n_deposition", time=time)
        np.testing.assert_array_equal(ax.collections[0].get_array().ravel(), given.ravel())
    assert "01:00 UTC" in ax.get_title(loc="left")
    still = runs[0].plot.map("elevation")
    assert np.ma.count_masked(still.collections[0].get_array()) == 1  # the cell without ground


def test_network_adds_vehicle_classes_and_widens_with_flow(runs):
    ax = runs[0].plot.network("road_flow", time=2)
    flows = step_arrays(sample_world(), 2)["road_flow"].astype("f4").sum(axis=0)
    lines = ax.collections[0]
    np.testing.assert_allclose(lines.get_array(), flows, rtol=1e-6)
    assert np.argmax(lines.get_linewidths()) == np.argmax(flows)
    assert len(lines.get_segments()) == 6
    np.testing.assert_allclose(runs[0].plot.network("road_nox").collections[0].get_array().shape, (6,))


def test_series_is_the_place_or_the_sum(runs):
    steps = [step_arrays(sample_world(), k) for k in range(3)]
    one = runs[0].plot.series("bus_load", bus=1).lines[0].get_ydata()
    np.testing.assert_allclose(one, [s["bus_load"][1] for s in steps], rtol=1e-6)
    total = runs[0].plot.series("bus_load").lines[0].get_ydata()
    np.testing.assert_allclose(total, [s["bus_load"].sum() for s in steps], rtol=1e-6)


def test_difference_is_other_minus_run_around_zero(runs):
    a, b = runs
    lines = a.plot.compare(b, "road_flow", 1).collections[0]
    flows = step_arrays(sample_world(), 1)["road_flow"].sum(axis=0)
    np.testing.assert_allclose(lines.get_array(), 0.5 * flows, rtol=1e-5)
    assert lines.get_clim()[0] == -lines.get_clim()[1]
    assert (a.plot.compare(b, "n_deposition").collections[0].get_array() == 0).all()
    assert (a.plot.compare(a)["difference"] == 0).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.map("bus_load"), "choose one of"),
        (lambda p: p.map("n_deposition", time="2030-01-01"), "no output time"),
        (lambda p: p.map("n_deposition", time=9), "holds 3"),
        (lambda p: p.network("nothing"), "choose one of"),
        (lambda p: p.series("elevation"), "no result"),
        (lambda p: p.series("bus_load", lane=1), "does not fit"),
    ],
)
def test_what_the_run_does_not_hold_is_refused_by_name(runs, call, message):
    with pytest.raises(RecordError, match=message):
        call(runs[0].plot)


def test_view_is_a_frame_on_this_machine(runs):
    pytest.importorskip("IPython")
    frame = runs[0].view(runs[1], height=300)
    assert frame.src.startswith("http://127.0.0.1:")
    assert "compare=run/1" in frame.src


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    world = whole_world()
    path = tmp_path_factory.mktemp("w") / "run.h5"
    with RunWriter.create(path, world, WHOLE_RESULTS, times(2 * EVERY), significant_bits=None) as writer:
        for k in range(2 * EVERY):
            writer.write(k, whole_arrays(world, k))
        return open_run(writer.finish())


def test_buildings_hexagons_and_branches_are_drawn_with_their_values(whole):
    given = whole_arrays(whole_world(), 2)
    hexagons = whole.plot.map("hexagon_excess", time=2).collections[0]
    np.testing.assert_array_equal(hexagons.get_array(), given["hexagon_excess"].astype("f4"))
    assert len(hexagons.get_paths()) == whole.sizes["hexagon"]
    roofs = whole.plot.map("building_load", time=2).collections[0]
    assert set(roofs.get_array()) == set(given["building_load"].astype("f4"))
    branches = whole.plot.network("branch_loading", time=2).collections[0]
    np.testing.assert_array_equal(branches.get_array(), given["branch_loading"].astype("f4"))
    assert len(branches.get_segments()) == 2
    same = whole.plot.compare(whole, "building_load", 2).collections[0]
    assert (same.get_array() == 0).all()


def test_slower_results_are_drawn_at_their_own_times(whole):
    given = whole_arrays(whole_world(), 2 * EVERY - 1)
    ax = whole.plot.map("n_deposition_daily", time=times(2 * EVERY)[EVERY])
    np.testing.assert_array_equal(
        ax.collections[0].get_array().ravel(), given["n_deposition_daily"].astype("f4").ravel()
    )
    assert "03:00 UTC" in ax.get_title(loc="left")
    assert len(whole.plot.series("road_distance").lines[0].get_xdata()) == 2
    with pytest.raises(RecordError, match="no output time"):
        whole.plot.map("n_deposition_daily", time=times(2)[1])
