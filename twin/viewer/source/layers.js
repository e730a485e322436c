// From a run file to the layers of the scene: reads positions and builds what is drawn. A layer whose data a run does
// not hold is left out.

// How each layer looks, in drawing order; `first` are the variables to show where the address names none. Pixels:
// `thin` and `thick` are the width of a link with nothing and with most, `high` the height of one with most.
export const LOOKS = {
  field: { palette: 'moss', first: ['n_deposition'] },
  hexagons: { palette: 'moss', first: ['hexagon_exceedance', 'hexagon_excess', 'hexagon_year_exceedance'], order: 2, flat: true, lift: '.0003' },
  roads: { palette: 'ember', first: ['road_flow'], order: 4, thin: 0.8, thick: 5, high: 15 },
  buildings: { palette: 'violet', first: ['building_load'], order: 5 },
  branches: { palette: 'violet', first: ['branch_loading'], order: 3, thin: 0.6, thick: 2.2, flat: true, opacity: 0.7 },
  buses: { palette: 'violet', first: ['bus_load'], order: 6 },
};
const WATER = 6; // DEPAC land-use class
const GROUND = 0; // triangle_kind
const HEXAGON_SIDE = Math.sqrt(2e4 / (3 * Math.sqrt(3))); // m, of the AERIUS hexagon of 1 ha
const GAP = 0.94; // of the side that is drawn, so that single hexagons are seen

// Builds all layers of `run` on `stage`; returns { ids: layer -> variables that may name a feature, box: what to look at }.
export async function buildLayers(run, stage) {
  const reads = (...names) => Promise.all(names.map((n) => run.read(n)));
  const ids = {};
  let box = null;
  let origin = [0, 0];
  if (run.has('elevation')) {
    const [x, y, z] = await reads('x', 'y', 'elevation');
    origin = [x[0], y[0]].map((v) => Math.floor(v / 1000) * 1000);
    stage.setGround(x, y, z, origin);
    await background(run, stage);
    box = [stage.x0, stage.y0, stage.x0 + stage.nx * stage.cell, stage.y0 + stage.ny * stage.cell];
  } else if (run.has('network_node_x') || run.has('bus_x')) {
    const [x, y] = await (run.has('network_node_x') ? reads('network_node_x', 'network_node_y') : reads('bus_x', 'bus_y'));
    origin = [x, y].map((v) => Math.floor(v.reduce((a, b) => Math.min(a, b)) / 1000) * 1000);
    const far = [x, y].map((v, i) => v.reduce((a, b) => Math.max(a, b)) - origin[i]);
    stage.span = Math.max(...far, 1000);
    stage.origin = origin;
    box = [0, 0, ...far];
  }
  stage.origin = origin;
  const local = (xs, ys) => {
    const points = new Float32Array(3 * xs.length);
    for (let i = 0; i < xs.length; i++) {
      const [px, py] = [xs[i] - origin[0], ys[i] - origin[1]];
      points.set([px, py, stage.ground(px, py)], 3 * i);
    }
    return points;
  };

  const hexagons = await hexagonMesh(run, stage, origin);
  if (hexagons) {
    stage.setSolids('hexagons', hexagons, LOOKS.hexagons);
    if (run.has('hexagon_number')) ids.hexagons = ['hexagon_number'];
  }
  if (run.has('network_edge_nodes')) {
    const { pieces, owner, count } = await roadPieces(run, stage, origin);
    stage.setRibbons('roads', pieces, owner, count, LOOKS.roads);
    if (run.has('road_id')) ids.roads = ['road_id'];
  }
  if (run.has('bus_x')) {
    const points = local(...(await reads('bus_x', 'bus_y')));
    if (run.has('power_edge_nodes')) {
      const edges = await run.read('power_edge_nodes');
      const count = edges.length / 2;
      const pieces = new Float32Array(6 * count);
      for (let k = 0; k < 2 * count; k++) pieces.set(points.subarray(3 * edges[k], 3 * edges[k] + 3), 3 * k);
      stage.setRibbons('branches', pieces, Int32Array.from({ length: count }, (_, i) => i), count, LOOKS.branches);
      if (run.has('branch_id')) ids.branches = ['branch_id'];
    }
    stage.setPoints('buses', points, LOOKS.buses);
    if (run.has('bus_id')) ids.buses = ['bus_id'];
    box = denseBox(points, box) ?? box;
  }
  if (run.has('triangle_vertices')) {
    stage.setSolids('buildings', await buildingMesh(run, stage, origin), LOOKS.buildings);
    ids.buildings = ['building_bag_id', 'building_id'].filter((n) => run.has(n));
  }
  return { ids, box };
}

// The province's border, and paler blue where there is water.
async function background(run, stage) {
  if (run.has('land_use')) stage.setWater((await run.read('land_use')).map((use) => (use === WATER ? 1 : 0)));
  if (run.has('province')) stage.setBorder(await run.read('province'));
}

// Links as pieces of six numbers, on the ground; long ones are cut so that they follow it.
async function roadPieces(run, stage, origin) {
  const [edges, nx, ny] = await Promise.all(['network_edge_nodes', 'network_node_x', 'network_node_y'].map((n) => run.read(n)));
  const nz = run.has('network_node_z') && !stage.elevation ? await run.read('network_node_z') : null;
  const links = edges.length / 2;
  let start = null, vx = null, vy = null;
  if (run.has('road_vertex_x')) [start, vx, vy] = await Promise.all(['road_vertex_start', 'road_vertex_x', 'road_vertex_y'].map((n) => run.read(n)));
  const pieces = [];
  const owner = [];
  const longest = stage.elevation ? 3 * stage.cell : Infinity;
  for (let l = 0; l < links; l++) {
    const [a, b] = [edges[2 * l], edges[2 * l + 1]];
    const line = [];
    if (start) for (let i = start[l]; i < (l + 1 < links ? start[l + 1] : vx.length); i++) line.push([vx[i] - origin[0], vy[i] - origin[1]]);
    if (line.length < 2) line.splice(0, line.length, ...[a, b].map((n) => [nx[n] - origin[0], ny[n] - origin[1]]));
    const height = (p, share) => (nz ? nz[a] + (nz[b] - nz[a]) * share : stage.ground(...p)) + 1;
    let at = [...line[0], height(line[0], 0)];
    for (let i = 1; i < line.length; i++) {
      const [p, q] = [line[i - 1], line[i]];
      const length = Math.hypot(q[0] - p[0], q[1] - p[1]);
      const cuts = length > longest && (stage.inside(...p) || stage.inside(...q)) ? Math.ceil(length / longest) : 1;
      for (let c = 1; c <= cuts; c++) {
        const next = [0, 1].map((k) => p[k] + ((q[k] - p[k]) * c) / cuts);
        next.push(height(next, (i - 1 + c / cuts) / (line.length - 1)));
        pieces.push(...at, ...next);
        owner.push(l);
        at = next;
      }
    }
  }
  return { pieces: Float32Array.from(pieces), owner, count: links };
}

// Hexagons around their centres, flat side up, draped on the ground.
async function hexagonMesh(run, stage, origin) {
  if (!run.has('hexagon_x')) return null;
  const count = run.variables.hexagon_x.shape[0];
  const [x, y] = await Promise.all(['hexagon_x', 'hexagon_y'].map((n) => run.read(n)));
  const corners = Array.from({ length: 6 }, (_, k) => [Math.cos((k * Math.PI) / 3), Math.sin((k * Math.PI) / 3)]); // flat-topped
  const position = new Float32Array(count * 18);
  const owner = new Float32Array(count * 6);
  const base = new Float32Array(count * 6);
  const index = new Uint32Array(count * 12);
  for (let h = 0, n = 0; h < count; h++) {
    index.set([0, 1, 2, 0, 2, 3, 0, 3, 4, 0, 4, 5].map((c) => c + n), 12 * h);
    for (const [cx, cy] of corners) {
      const [px, py] = [x[h] - origin[0] + cx * GAP * HEXAGON_SIDE, y[h] - origin[1] + cy * GAP * HEXAGON_SIDE];
      base[n] = stage.ground(px, py);
      position.set([px, py, base[n]], 3 * n);
      owner[n++] = h;
    }
  }
  return { position, base, owner, index, count };
}

// Walls and roofs as triangles. Each building stands on the ground that is drawn, which is coarser than its own.
async function buildingMesh(run, stage, origin) {
  const names = ['building_vertex_x', 'building_vertex_y', 'building_vertex_z', 'triangle_vertices', 'triangle_building', 'triangle_kind', 'building_x', 'building_y', 'building_ground'];
  const [vx, vy, vz, corners, owners, kinds, x, y, own] = await Promise.all(names.map((n) => run.read(n)));
  const ground = Float32Array.from(x, (v, i) => stage.ground(v - origin[0], y[i] - origin[1]));
  const drawn = kinds.reduce((sum, kind) => sum + (kind !== GROUND), 0);
  const position = new Float32Array(9 * drawn);
  const owner = new Float32Array(3 * drawn);
  const base = new Float32Array(3 * drawn);
  let n = 0;
  for (let t = 0; t < owners.length; t++) {
    if (kinds[t] === GROUND) continue;
    const b = owners[t];
    for (const k of [0, 1, 2]) {
      const v = corners[3 * t + k];
      position[3 * n] = vx[v] - origin[0];
      position[3 * n + 1] = vy[v] - origin[1];
      position[3 * n + 2] = vz[v] - own[b] + ground[b];
      base[n] = ground[b];
      owner[n++] = b;
    }
  }
  return { position, base, owner, count: x.length };
}

// The box that holds most of the assets, widened: where the detail is; null where that is no smaller than the whole.
function denseBox(points, whole) {
  const count = points.length / 3;
  if (count < 100 || !whole) return null;
  const [x, y] = [0, 1].map((k) => Float32Array.from({ length: count }, (_, i) => points[3 * i + k]).sort());
  const [low, high] = [Math.floor(0.02 * count), Math.ceil(0.98 * count) - 1];
  const margin = 0.35 * Math.max(x[high] - x[low], y[high] - y[low]);
  const box = [x[low] - margin, y[low] - margin, x[high] + margin, y[high] + margin];
  return box[2] - box[0] < 0.8 * (whole[2] - whole[0]) ? box : null;
}
