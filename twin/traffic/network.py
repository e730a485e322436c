"""Networks and trips for an assignment, from every format the readers know, in one form.

TNTP keeps the units of its file. GMNS, OSM and NWB come in hours, kilometres and km/h, so that costs are hours.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyogrio

from twin.errors import DataError
from twin.readers.gmns import GmnsNetwork, read_gmns, with_centroids
from twin.readers.nwb_roads import read_nwb
from twin.readers.omx import read_omx
from twin.readers.osm_roads import RoadTable, read_geopackage, read_graphml
from twin.readers.tntp import TntpNetwork, read_network, read_trips
from twin.readers.trip_table import TripTable, of_pairs, read_csv_trips
from twin.world.network_check import NetworkReport, check_network
from twin.world.road_rules import RoadRules, read_rules
from twin.world.roads import link_parameters

__all__ = ["RoadNetwork", "as_gmns", "of_tntp", "open_roads", "open_trips"]

_OWN_RULES = Path(__file__).parent / "road_rules.toml"


@dataclass(frozen=True)
class RoadNetwork:
    """Links in the order of the file with their costs, and the zones between which trips are made.

    ``from_node``, ``to_node`` (link) and ``zone_node`` (zone) index ``node_id``; ``through`` (node, bool) whether a
    path may pass. ``free_flow_time`` [time], ``length`` [length], ``capacity`` [pcu per flow period], ``b`` and
    ``power`` [1] of the BPR function, ``toll`` [money]; the factors turn toll and length into time.
    """

    path: Path
    node_id: np.ndarray
    zone_id: np.ndarray
    zone_node: np.ndarray
    through: np.ndarray
    link_id: np.ndarray
    from_node: np.ndarray
    to_node: np.ndarray
    capacity: np.ndarray
    length: np.ndarray
    free_flow_time: np.ndarray
    b: np.ndarray
    power: np.ndarray
    toll: np.ndarray
    link_type: np.ndarray  # numbers (TNTP) or text, for the classes it is closed to
    toll_factor: float = 0.0
    distance_factor: float = 0.0
    units: str = "units of the file"
    allowed_uses: tuple[str, ...] = ()  # per link, comma separated, empty where all may; () where not given
    notes: tuple[str, ...] = field(default=())  # what was assumed or left out in reading
    connectors: int = 0  # links at the end that are none of the file: zones of several nodes are joined by them

    @property
    def zones(self) -> int:
        """Number of zones."""
        return len(self.zone_id)

    def links_of(self, ids: list | tuple, what: str) -> np.ndarray:
        """Index of each link by its id in the file."""
        index = {str(link): k for k, link in enumerate(self.link_id)}
        unknown = [link for link in ids if str(link) not in index]
        if unknown:
            raise DataError(
                f"{what}: link {unknown[0]} is not in {self.path}; its links are {self.link_id[0]} to "
                f"{self.link_id[-1]}" + (f" ({len(unknown) - 1} more are unknown)" if unknown[1:] else "")
            )
        return np.array([index[str(link)] for link in ids], np.int64)

    def check(self) -> NetworkReport:
        """What is wrong with the links and the connections between zones, trips apart."""
        return check_network(
            self.from_node,
            self.to_node,
            len(self.node_id),
            length=self.length,
            capacity=self.capacity,
            free_flow_time=self.free_flow_time,
            bpr_b=np.where(self.free_flow_time > 0, self.b, 0.0),
            bpr_power=self.power,
            zone_node=self.zone_node,
        )


def of_tntp(net: TntpNetwork) -> RoadNetwork:
    """A TNTP network; links are numbered from 1 in the order of the file."""
    return RoadNetwork(
        path=net.path,
        node_id=net.node_id,
        zone_id=net.node_id[: net.zones],
        zone_node=np.arange(net.zones),
        through=net.through,
        link_id=np.arange(1, len(net.from_node) + 1),
        toll_factor=net.toll_factor,
        distance_factor=net.distance_factor,
        **{
            name: getattr(net, name)
            for name in (
                "from_node", "to_node", "capacity", "length", "free_flow_time", "b", "power", "toll", "link_type",
            )
        },
    )  # fmt: skip


def _ids(names: list[str]) -> np.ndarray:
    """Ids as whole numbers where all of them are, else as text."""
    if all(name.isdigit() and (name == "0" or name[0] != "0") and len(name) < 19 for name in names):
        return np.array(names, np.int64)
    return np.array(names)


def _of_gmns(folder: Path) -> RoadNetwork:
    given = read_gmns(folder)
    net, connectors = with_centroids(given)
    node_id = _ids(net.node_id)
    notes: tuple[str, ...] = ()
    named = [k for k, zone in enumerate(net.zone_id) if zone]
    if connectors:
        notes = (
            f"{len(net.node_id) - len(given.node_id)} zones of several nodes have a centroid (zone_ID) that "
            f"{connectors} connectors without cost join to these nodes",
        )
    if named:
        zone_node, zone_id = np.array(named), _ids([net.zone_id[k] for k in named])
    else:
        zone_node, zone_id = np.arange(len(node_id)), node_id
        notes = ("no zone_id: each node is a zone",)
    if np.isfinite(given.vdf_fftt).any():
        notes = (*notes, "free-flow times from vdf_fftt [min]")
    through = np.array([kind.lower() != "centroid" for kind in net.node_type])
    return RoadNetwork(
        path=folder,
        node_id=node_id,
        zone_id=zone_id,
        zone_node=zone_node,
        through=through,
        link_id=_ids(net.link_id),
        from_node=net.from_node,
        to_node=net.to_node,
        capacity=net.capacity,
        length=net.length / 1000.0,
        free_flow_time=net.free_flow_time / 3600.0,
        b=net.bpr_b,
        power=net.bpr_power,
        toll=net.toll,
        link_type=_ids(net.link_type),
        units="hours, kilometres",
        allowed_uses=tuple(net.allowed_uses) if any(net.allowed_uses) else (),
        notes=notes,
        connectors=connectors,
    )


def as_gmns(net: RoadNetwork, *, hours_per_time: float, km_per_length: float) -> GmnsNetwork:
    """The network as GMNS for :func:`twin.readers.gmns.write_gmns`; TNTP files do not say their units, so give them.

    ``hours_per_time`` [h] one unit of time, ``km_per_length`` [km] one unit of length (1 and 1 for what
    :func:`open_roads` read from GMNS, OSM or NWB). Free-flow times are written as ``vdf_fftt``; a link without
    congestion keeps its ``b`` of zero and needs a capacity above zero there.
    """
    zones = [""] * len(net.node_id)
    for k, zone in zip(net.zone_node, net.zone_id):
        zones[k] = str(zone)
    hours = net.free_flow_time * hours_per_time
    km = net.length * km_per_length
    links = len(net.link_id)
    speed = np.divide(km, hours, out=np.full(links, np.nan), where=(hours > 0) & (km > 0))
    return GmnsNetwork(
        node_id=[str(node) for node in net.node_id],
        node_x=np.full(len(net.node_id), np.nan),
        node_y=np.full(len(net.node_id), np.nan),
        zone_id=zones,
        node_type=["" if passed else "centroid" for passed in net.through],
        link_id=[str(link) for link in net.link_id],
        from_node=net.from_node,
        to_node=net.to_node,
        length=1000.0 * km,
        lanes=np.ones(links),
        capacity=np.where((net.b > 0) & (net.power > 0), net.capacity, np.maximum(net.capacity, 1.0)),
        free_speed=speed,
        bpr_b=net.b,
        bpr_power=net.power,
        toll=net.toll,
        geometry=[""] * links,
        vdf_fftt=60.0 * hours,
        allowed_uses=list(net.allowed_uses) or [""] * links,
        link_type=[str(kind) for kind in net.link_type],
    )


def _of_table(table: RoadTable, path: Path, rules: RoadRules, notes: tuple[str, ...]) -> RoadNetwork:
    """Links of OSM or NWB, parameters by the road rules; each node is a zone."""
    parts = [link_parameters(table, i, rules) for i in range(len(table.edge_id))]
    node_id = _ids(table.node_id)
    column = {
        name: np.array([part[name] for part in parts], np.float64)
        for name in ("free_flow_time", "capacity", "bpr_b", "bpr_power")
    }
    return RoadNetwork(
        path=path,
        node_id=node_id,
        zone_id=node_id,
        zone_node=np.arange(len(node_id)),
        through=np.ones(len(node_id), np.bool_),
        link_id=_ids(table.edge_id),
        from_node=table.from_node,
        to_node=table.to_node,
        capacity=column["capacity"],
        length=table.length / 1000.0,
        free_flow_time=column["free_flow_time"] / 3600.0,
        b=column["bpr_b"],
        power=column["bpr_power"],
        toll=np.zeros(len(parts)),
        link_type=np.array([tags[0] for tags in table.highway]),
        units="hours, kilometres",
        notes=("capacities, speeds and cost functions by the road rules; each node is a zone", *notes),
    )


def open_roads(path: str | Path, *, road_rules: str | Path | None = None, crs: int | None = None) -> RoadNetwork:
    """Read a network: a TNTP file, a GMNS folder, an OSMnx GraphML or GeoPackage, road sections of the NWB.

    OSM and NWB hold no capacities: ``road_rules`` (TOML) declares them by tag, by default the table of this package.
    ``crs`` is the EPSG code of an NWB file that names none.
    """
    path = Path(path)
    if path.name == "link.csv":
        path = path.parent
    if path.is_dir():
        return _of_gmns(path)
    kind = path.name.lower()
    graphml = kind.endswith((".graphml", ".graphml.gz"))
    sections = kind.endswith((".shp", ".gml", ".gpkg"))
    if not (graphml or sections):
        return of_tntp(read_network(path))
    rules = read_rules(Path(road_rules) if road_rules is not None else _OWN_RULES, RoadRules)
    if graphml:
        return _of_table(read_graphml(path), path, rules, ())
    if kind.endswith(".gpkg") and path.is_file() and {"nodes", "edges"} <= _layers(path):
        return _of_table(read_geopackage(path), path, rules, ())
    table, left_out = read_nwb(path, crs=crs)
    # A section is known by authority and carriageway together, then by either: the order of the rules decides.
    table.highway = [(tag, f"nwb_{tag.split('_')[2]}", f"nwb_{tag.split('_')[1]}") for (tag,) in table.highway]
    skipped = ", ".join(f"{count} {name}" for name, count in sorted(left_out.items()))
    return _of_table(table, path, rules, (f"sections not for cars left out: {skipped}",) if skipped else ())


def _layers(path: Path) -> set[str]:
    try:
        return {str(name) for name in pyogrio.list_layers(path)[:, 0]}
    except pyogrio.errors.DataSourceError as error:
        raise DataError(f"{path}: cannot be opened as a GeoPackage ({error}); fetch the file again") from error


def open_trips(path: str | Path, network: RoadNetwork) -> TripTable:
    """Read trips between the zones of ``network``: a TNTP file, an OMX matrix, a CSV table, a GMNS folder.

    ``FILE.omx:NAME`` picks a matrix of several. Zones are matched by their ids; a matrix must hold exactly the zones
    of the network, a table may leave pairs out. Raises :class:`DataError` where they do not belong together.
    """
    name, colon, matrix = str(path).rpartition(":")
    if not (colon and name.lower().endswith(".omx")):
        name, matrix = str(path), ""
    file = Path(name)
    if file.is_dir():
        file = file / "demand.csv"
    suffix = file.suffix.lower()
    if suffix == ".csv":
        return read_csv_trips(file, network.zone_id)
    if suffix == ".omx":
        values, zones = read_omx(file, matrix or None)
        place = _places(file, zones, network)
        origin, destination = np.nonzero(values)
        return of_pairs(file, place[origin], place[destination], values[origin, destination], network.zone_id)
    table = read_trips(file)
    place = _places(file, np.arange(1, table.zones + 1), network)
    if np.array_equal(place, np.arange(network.zones)):
        return table
    made = of_pairs(
        file, place[table.origin], place[table.destination], table.trips, network.zone_id, table.stated_total
    )
    return TripTable(**{**vars(made), "intrazonal": table.intrazonal})


def _places(path: Path, zones: np.ndarray, network: RoadNetwork) -> np.ndarray:
    """Index of each zone of a matrix in the network, which must have the same ones."""
    if len(zones) != network.zones:
        raise DataError(
            f"{path}: {len(zones)} zones, but the network {network.path} has {network.zones}; these do not belong "
            f"together"
        )
    index = {str(zone): k for k, zone in enumerate(network.zone_id)}
    for zone in zones:
        if str(zone) not in index:
            raise DataError(f"{path}: zone {zone} is not in the network {network.path}; these do not belong together")
    return np.array([index[str(zone)] for zone in zones], np.int64)
