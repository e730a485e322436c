// The 3D scene: ground with a draped field, links as raised ribbons whose width and height on the screen tell their
// value, buildings, hexagons, and assets as round points. Positions are local metres (RD minus an origin), so that
// single precision is exact to a centimetre. A value reaches the graphics card in a texture, one texel per cell or
// feature.
import * as THREE from 'three';
import { MapControls } from 'three/examples/jsm/controls/MapControls.js';
import { SCALES } from './colours.js';

const SKY = 0xe6ebee;
const MISSING = 2e38; // a value that is not there, drawn grey
const HIDDEN = -2e38; // filtered away
const AROUND = 4; // pixels around the pointer in which a thin thing is still met

// `coloured`: colour of a value. `identity`: number of layer and feature as a colour, to find what lies under a pixel.
const FRAGMENT = `
uniform sampler2D scale; uniform float low, high, opacity, picking, code, chosen;
vec4 coloured(float v, float own) {
  if (v < -1e38) discard;
  vec3 c = v > 1e38 ? vec3(.62) : texture2D(scale, vec2(clamp((v - low) / (high - low), .002, .998), .5)).rgb;
  return vec4(abs(own - chosen) < .5 ? mix(c, vec3(.05, .75, .95), .75) : c, opacity);
}
vec4 identity(float own) {
  return vec4(mod(own, 256.), mod(floor(own / 256.), 256.), floor(own / 65536.), code) / 255.;
}`;
const VERTEX = `
uniform sampler2D values; uniform float relief, width, low, high; uniform vec4 extent; uniform vec3 screen;
float valueOf(float own) { return texture2D(values, (vec2(mod(own, width), floor(own / width)) + .5) / width).r; }
bool known(float v) { return abs(v) < 1e38; }
vec4 seen(vec3 p) { return projectionMatrix * modelViewMatrix * vec4(p, 1.); }
float faded(vec2 p) { // paler outside the ground that is drawn
  vec2 d = max(extent.xy - p, p - extent.zw);
  return mix(1., .16, smoothstep(0., .07 * (extent.z - extent.x), max(d.x, d.y)));
}`;

function valueTexture(count) {
  const side = Math.max(1, Math.ceil(Math.sqrt(count)));
  return { texture: new THREE.DataTexture(new Float32Array(side * side), side, side, THREE.RedFormat, THREE.FloatType), side };
}

// Without a graphics card the processor draws, and smooth edges would take it twice as long: there they are left out.
function hasCard() {
  const gl = document.createElement('canvas').getContext('webgl2');
  const told = gl?.getExtension('WEBGL_debug_renderer_info');
  const name = told ? gl.getParameter(told.UNMASKED_RENDERER_WEBGL) : '';
  gl?.getExtension('WEBGL_lose_context')?.loseContext();
  return !/swiftshader|llvmpipe|softpipe|basic render/i.test(name);
}

export class Stage {
  constructor(canvas) {
    this.renderer = new THREE.WebGLRenderer({ antialias: hasCard(), preserveDrawingBuffer: true, canvas });
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio || 1, 2));
    this.scene = new THREE.Scene();
    this.camera = new THREE.PerspectiveCamera(36, 1, 10, 1e6);
    this.camera.up.set(0, 0, 1);
    this.controls = new MapControls(this.camera, canvas);
    this.controls.maxPolarAngle = 1.45;
    this.controls.addEventListener('change', () => this.draw());
    this.shared = {
      relief: { value: 1 },
      screen: { value: new THREE.Vector3(1, 1, 1) },
      extent: { value: new THREE.Vector4(-1e30, -1e30, 1e30, 1e30) },
      picking: { value: 0 },
    };
    this.around = new THREE.WebGLRenderTarget(2 * AROUND + 1, 2 * AROUND + 1);
    this.layers = {};
    this.pending = false;
  }

  clear() {
    for (const { mesh, texture } of Object.values(this.layers)) {
      this.scene.remove(mesh);
      mesh.geometry.dispose(); // the programs stay: the next run is drawn with the same
      texture?.dispose();
    }
    this.layers = {};
    this.elevation = null;
  }

  material(vertexShader, fragmentShader, uniforms, more = {}) {
    return new THREE.ShaderMaterial({
      vertexShader: VERTEX + vertexShader,
      fragmentShader: FRAGMENT + fragmentShader,
      transparent: true,
      side: THREE.DoubleSide,
      uniforms: {
        scale: { value: SCALES.moss.texture },
        low: { value: 0 },
        high: { value: 1 },
        opacity: { value: 1 },
        code: { value: 0 },
        chosen: { value: -1 },
        values: { value: null },
        width: { value: 1 },
        ...uniforms,
        ...this.shared,
      },
      ...more,
    });
  }

  add(name, mesh, { texture, side, count, order = 0 }) {
    const { uniforms } = mesh.material;
    uniforms.values.value = texture;
    if (side) uniforms.width.value = side;
    uniforms.code.value = 1 + Object.keys(this.layers).length;
    mesh.frustumCulled = false;
    mesh.renderOrder = order;
    this.layers[name] = { mesh, texture, uniforms, count };
    this.scene.add(mesh);
  }

  setGround(x, y, elevation, origin) {
    const [nx, ny] = [x.length, y.length];
    const cell = x[1] - x[0];
    Object.assign(this, { nx, ny, origin, elevation, cell, x0: x[0] - origin[0], y0: y[0] - origin[1] });
    this.shared.extent.value.set(this.x0, this.y0, this.x0 + (nx - 1) * cell, this.y0 + (ny - 1) * cell);
    const position = new Float32Array(nx * ny * 3);
    const uv = new Float32Array(nx * ny * 2);
    const index = new Uint32Array((nx - 1) * (ny - 1) * 6);
    for (let j = 0, q = 0; j < ny; j++) {
      for (let i = 0; i < nx; i++, q++) {
        position[3 * q] = x[i] - origin[0];
        position[3 * q + 1] = y[j] - origin[1];
        position[3 * q + 2] = Number.isFinite(elevation[q]) ? elevation[q] : 0;
        uv[2 * q] = (i + 0.5) / nx;
        uv[2 * q + 1] = (j + 0.5) / ny;
      }
    }
    let n = 0;
    for (let j = 0; j < ny - 1; j++) {
      for (let i = 0; i < nx - 1; i++) {
        const a = j * nx + i;
        const corners = [a, a + 1, a + nx + 1, a + nx];
        if (corners.some((c) => !Number.isFinite(elevation[c]))) continue; // no ground, nothing drawn
        for (const c of [0, 1, 2, 0, 2, 3]) index[n++] = corners[c];
      }
    }
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute('position', new THREE.BufferAttribute(position, 3));
    geometry.setAttribute('uv', new THREE.BufferAttribute(uv, 2));
    geometry.setIndex(new THREE.BufferAttribute(index.subarray(0, n), 1));
    geometry.computeVertexNormals();
    geometry.setAttribute('wet', new THREE.BufferAttribute(new Float32Array(nx * ny), 1));
    const texture = new THREE.DataTexture(new Float32Array(nx * ny), nx, ny, THREE.RedFormat, THREE.FloatType);
    const shader = this.material(
      `attribute float wet; varying vec2 at; varying vec3 n; varying float blue;
       void main() { at = uv; blue = wet; n = vec3(normal.xy * relief, normal.z); gl_Position = seen(vec3(position.xy, position.z * relief)); }`,
      `uniform sampler2D values; uniform vec2 size; uniform float bare, plain; varying vec2 at; varying vec3 n; varying float blue;
       void main() {
         float own = floor(at.y * size.y) * size.x + floor(at.x * size.x);
         if (picking > .5) { gl_FragColor = identity(own); return; }
         float light = .76 + .27 * dot(normalize(n), normalize(vec3(-.55, .5, .7)));
         vec3 paper = mix(vec3(.95, .94, .918), vec3(.80, .862, .895), smoothstep(.25, .75, blue));
         float v = texture2D(values, at).r;
         vec3 c = paper;
         if (bare < .5 && v > -1e38) {
           vec4 k = coloured(v, own);
           // the lowest colour of moss, and the middle one of a difference, are those of the paper: the ground shows through
           float share = clamp((v - low) / (high - low), 0., 1.);
           float seen = plain > 1.5 ? smoothstep(0., .1, abs(2. * share - 1.)) : plain > .5 ? 1. : smoothstep(0., .1, share);
           if (v > 1e38 || abs(own - chosen) < .5) seen = 1.;
           c = mix(paper, k.rgb, k.a * seen);
         }
         gl_FragColor = vec4(c * light, 1.); }`,
      { size: { value: new THREE.Vector2(nx, ny) }, bare: { value: 1 }, plain: { value: 1 } },
      { polygonOffset: true, polygonOffsetFactor: 2, polygonOffsetUnits: 8, transparent: false },
    );
    this.add('field', new THREE.Mesh(geometry, shader), { texture, count: nx * ny });
    this.span = Math.max(nx, ny) * cell;
    let [bottom, top] = [0, 0];
    for (const v of elevation) if (Number.isFinite(v)) [bottom, top] = [Math.min(bottom, v), Math.max(top, v)];
    Object.assign(this, { bottom, top });
  }

  // Height of the ground at local metres, between the four cells around; 0 outside and where it is unknown.
  ground(px, py) {
    if (!this.elevation) return 0;
    const u = Math.min(Math.max((px - this.x0) / this.cell, 0), this.nx - 1);
    const v = Math.min(Math.max((py - this.y0) / this.cell, 0), this.ny - 1);
    const [i, j] = [Math.min(Math.floor(u), this.nx - 2), Math.min(Math.floor(v), this.ny - 2)];
    let [sum, weight] = [0, 0];
    for (const [di, dj] of [[0, 0], [1, 0], [0, 1], [1, 1]]) {
      const z = this.elevation[(j + dj) * this.nx + i + di];
      const w = (1 - Math.abs(u - i - di)) * (1 - Math.abs(v - j - dj));
      if (Number.isFinite(z)) [sum, weight] = [sum + w * z, weight + w];
    }
    return weight > 0 ? sum / weight : 0;
  }

  inside(px, py) {
    const { x, y, z, w } = this.shared.extent.value;
    return px >= x && py >= y && px <= z && py <= w;
  }

  // Cells of water (1, else 0), drawn paler and blue where no value covers them.
  setWater(water) {
    this.layers.field.mesh.geometry.setAttribute('wet', new THREE.Float32BufferAttribute(water, 1));
  }

  // Border of the cells that are marked, as thin lines through the middles between marked and other ones.
  setBorder(marked) {
    const { nx, ny, cell } = this;
    const position = [];
    const point = (u, v) => {
      const [px, py] = [this.x0 + u * cell, this.y0 + v * cell];
      position.push(px, py, this.ground(px, py) + 1);
    };
    const middles = [[0.5, 0], [1, 0.5], [0.5, 1], [0, 0.5]]; // of the sides: below, right, above, left
    for (let j = 0; j + 1 < ny; j++) {
      for (let i = 0; i + 1 < nx; i++) {
        const a = j * nx + i;
        const corners = [a, a + 1, a + nx + 1, a + nx].map((c) => marked[c] > 0);
        const cut = [0, 1, 2, 3].filter((k) => corners[k] !== corners[(k + 1) % 4]);
        for (let k = 0; k + 1 < cut.length; k += 2) for (const m of [cut[k], cut[k + 1]]) point(i + middles[m][0], j + middles[m][1]);
      }
    }
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute('position', new THREE.Float32BufferAttribute(position, 3));
    const shader = this.material(
      `void main() { gl_Position = seen(vec3(position.xy, position.z * relief)); gl_Position.z -= .0002 * gl_Position.w; }`,
      `void main() { if (picking > .5) discard; gl_FragColor = vec4(.25, .31, .37, .7); }`,
      {},
      { depthWrite: false },
    );
    this.add('border', new THREE.LineSegments(geometry, shader), { order: 1 });
  }

  // Ribbons: `pieces` are local ends (x, y, z, x, y, z); `owner` the link of each, in order along the link.
  setRibbons(name, pieces, owner, count, look) {
    const total = owner.length;
    const right = (k) => {
      const [ax, ay, , bx, by] = pieces.subarray(6 * k, 6 * k + 6);
      const length = Math.hypot(bx - ax, by - ay) || 1;
      return [(by - ay) / length, (ax - bx) / length];
    };
    // to the right of an end: longer in a bend, so that the edge is one line
    const side = (k, other) => {
      const here = right(k);
      if (other < 0 || other >= total || owner[other] !== owner[k]) return here;
      const beside = right(other);
      const [sx, sy] = [here[0] + beside[0], here[1] + beside[1]];
      const square = (sx * sx + sy * sy) / 2;
      return square > 0.6 ? [sx / square, sy / square] : here;
    };
    // Both walls and the top as (across, up, shade) of two edges; each is a strip from end to end. Vertices are written
    // out: drawing one instance per piece is slow without a graphics card.
    const faces = [[[0, 1, 1], [1, 1, 1]], [[0, 0, 0.72], [0, 1, 0.72]], [[1, 0, 0.8], [1, 1, 0.8]]].slice(0, look.flat ? 1 : 3);
    const each = 4 * faces.length;
    const position = new Float32Array(3 * each * total);
    const across = new Float32Array(2 * each * total);
    const own = new Float32Array(each * total);
    const corner = new Uint8Array(4 * each * total);
    const index = new Uint32Array(6 * faces.length * total);
    let n = 0;
    let q = 0;
    for (let k = 0; k < total; k++) {
      const sides = [side(k, k - 1), side(k, k + 1)];
      for (const face of faces) {
        index.set([n, n + 1, n + 2, n + 1, n + 3, n + 2], q);
        q += 6;
        for (let end = 0; end < 2; end++) {
          for (const [out, up, shade] of face) {
            position.set(pieces.subarray(6 * k + 3 * end, 6 * k + 3 * end + 3), 3 * n);
            across.set(sides[end], 2 * n);
            own[n] = owner[k];
            corner.set([255 * out, 255 * up, 255 * shade], 4 * n);
            n++;
          }
        }
      }
    }
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute('position', new THREE.BufferAttribute(position, 3));
    geometry.setAttribute('across', new THREE.BufferAttribute(across, 2));
    geometry.setAttribute('own', new THREE.BufferAttribute(own, 1));
    geometry.setAttribute('corner', new THREE.BufferAttribute(corner, 4, true));
    geometry.setIndex(new THREE.BufferAttribute(index, 1));
    const shader = this.material(
      `uniform float tallest, thin, thick; attribute vec4 corner; attribute vec2 across; attribute float own;
       varying float v, pale, shade, o;
       void main() {
         v = valueOf(own); o = own; shade = corner.z;
         float reach = max(abs(low), abs(high));
         float share = known(v) && reach > 0. ? clamp(abs(v) / reach, 0., 1.) : 0.;
         vec3 p = vec3(position.xy, position.z * relief);
         float metres = -(modelViewMatrix * vec4(p, 1.)).z * 2. / (projectionMatrix[1][1] * screen.y); // of one pixel here
         p.z += metres * tallest * share * corner.y;
         p.xy += across * max(3., metres * (thin + (thick - thin) * share)) * corner.x;
         pale = faded(p.xy);
         gl_Position = seen(p);
         gl_Position.z -= .0004 * gl_Position.w; }`,
      `varying float v, pale, shade, o;
       void main() {
         if (v < -1e38) discard;
         if (picking > .5) { gl_FragColor = identity(o); return; }
         vec4 c = coloured(v, o); gl_FragColor = vec4(c.rgb * shade, c.a * pale); }`,
      { tallest: { value: look.high ?? 0 }, thin: { value: look.thin }, thick: { value: look.thick } },
    );
    this.add(name, new THREE.Mesh(geometry, shader), { ...valueTexture(count), count, order: look.order });
  }

  setPoints(name, points, look) {
    const count = points.length / 3;
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute('position', new THREE.BufferAttribute(points, 3));
    geometry.setAttribute('own', new THREE.BufferAttribute(Float32Array.from({ length: count }, (_, i) => i), 1));
    const metres = Math.min(400, Math.max(40, this.span / Math.sqrt(count) / 6)); // across; the more there are, the smaller
    const shader = this.material(
      `uniform float metres; attribute float own; varying float v, o, size;
       void main() {
         v = valueOf(own); o = own;
         float share = !known(v) ? 0. : low < 0. ? clamp(abs(v) / max(-low, high), 0., 1.) : clamp((v - low) / (high - low), 0., 1.);
         gl_Position = seen(vec3(position.xy, position.z * relief + 5.));
         size = metres * (.7 + .9 * share) * projectionMatrix[1][1] * screen.y * .5 / gl_Position.w;
         size = clamp(size, 1.6 + 2.4 * share, 9. + 5. * share) * screen.z;
         gl_PointSize = size + 2. * screen.z;
         gl_Position.z -= (.0008 + .0002 * share) * gl_Position.w; }`,
      `varying float v, o, size;
       void main() {
         if (v < -1e38) discard;
         float r = length(gl_PointCoord - .5) * (size + 2.); if (r > .5 * size + .5) discard;
         if (picking > .5) { gl_FragColor = identity(o); return; }
         vec4 c = coloured(v, o);
         float rim = size > 6. ? smoothstep(.5 * size - 1.4, .5 * size - .4, r) : 0.;
         gl_FragColor = vec4(mix(c.rgb, vec3(1.), rim), c.a * (1. - smoothstep(.5 * size - .3, .5 * size + .5, r))); }`,
      { metres: { value: metres } },
    );
    this.add(name, new THREE.Points(geometry, shader), { ...valueTexture(count), count, order: look.order });
  }

  // Triangles at local positions; `base` is the ground under each corner, which the relief lifts, and not the building.
  setSolids(name, { position, base, owner, index, count }, look) {
    const geometry = new THREE.BufferGeometry();
    if (index) geometry.setIndex(new THREE.BufferAttribute(index, 1));
    geometry.setAttribute('position', new THREE.BufferAttribute(position, 3));
    geometry.setAttribute('base', new THREE.BufferAttribute(base, 1));
    geometry.setAttribute('own', new THREE.BufferAttribute(owner, 1));
    const shader = this.material(
      `attribute float own, base; varying float v, o; varying vec3 at;
       void main() {
         v = valueOf(own); o = own;
         at = vec3(position.xy, base * relief + position.z - base);
         gl_Position = seen(at); gl_Position.z -= ${look.lift ?? '.0001'} * gl_Position.w; }`,
      `uniform float flat_; varying float v, o; varying vec3 at;
       void main() {
         if (v < -1e38) discard;
         if (picking > .5) { gl_FragColor = identity(o); return; }
         vec4 c = coloured(v, o);
         vec3 n = normalize(cross(dFdx(at), dFdy(at)));
         float light = flat_ > .5 ? 1. : .7 + .3 * abs(dot(n, normalize(vec3(-.45, -.35, .82))));
         gl_FragColor = vec4(c.rgb * light, c.a); }`,
      { flat_: { value: look.flat ? 1 : 0 } },
    );
    this.add(name, new THREE.Mesh(geometry, shader), { ...valueTexture(count), count, order: look.order });
  }

  // Values of a layer with their scale; `shown` (bytes, or null for all) tells which are not filtered away.
  show(name, values, shown, scale, [low, high], plain = 1) {
    const { texture, uniforms, count } = this.layers[name];
    const { data } = texture.image;
    for (let i = 0; i < count; i++) {
      const v = values[i];
      data[i] = shown && !shown[i] ? HIDDEN : Number.isFinite(v) ? v : MISSING;
    }
    texture.needsUpdate = true;
    if (uniforms.plain) uniforms.plain.value = plain;
    uniforms.scale.value = scale;
    uniforms.low.value = low;
    uniforms.high.value = high;
  }

  setVisible(name, on) {
    const layer = this.layers[name];
    if (layer.uniforms.bare) layer.uniforms.bare.value = on ? 0 : 1; // the ground itself stays
    else layer.mesh.visible = on;
  }

  setRelief(relief) {
    this.shared.relief.value = relief;
    this.draw();
  }

  // `box`: local metres (x0, y0, x1, y1) to look at from the south; `camera`: position and target of an address.
  look(box, camera) {
    const span = Math.max(box[2] - box[0], 1.3 * (box[3] - box[1]));
    this.home = () => {
      const [cx, cy] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
      const shift = this.renderer.domElement.clientWidth > 900 ? 0.1 * span : 0; // the panel stands on the left
      this.controls.target.set(cx - shift, cy - 0.04 * span, 0);
      this.camera.position.set(cx - shift - 0.12 * span, cy - 0.92 * span, 0.98 * span);
      this.controls.update();
    };
    this.camera.near = Math.max(1, this.span / 5000);
    this.camera.far = this.span * 12;
    if (camera) {
      this.camera.position.fromArray(camera);
      this.controls.target.fromArray(camera, 3);
      this.controls.update();
    } else this.home();
  }

  // Keyboard: shares of the distance between eye and target, or radians.
  move({ ahead = 0, aside = 0, turn = 0, tilt = 0, zoom = 1 }) {
    const { target } = this.controls;
    const away = this.camera.position.clone().sub(target);
    const round = new THREE.Spherical().setFromVector3(new THREE.Vector3(away.x, away.z, -away.y));
    round.theta += turn;
    round.phi = Math.min(1.45, Math.max(0.02, round.phi + tilt));
    round.radius *= zoom;
    const back = new THREE.Vector3().setFromSpherical(round);
    const north = new THREE.Vector2(-back.x, back.z).normalize();
    target.x += round.radius * (ahead * north.x + aside * north.y);
    target.y += round.radius * (ahead * north.y - aside * north.x);
    this.camera.position.set(target.x + back.x, target.y - back.z, target.z + back.y);
    this.controls.update();
    this.draw();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.renderer.domElement;
    this.renderer.setSize(width, height, false);
    this.shared.screen.value.set(width, height, this.renderer.getPixelRatio());
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  draw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => this.drawNow());
  }

  drawNow() {
    this.pending = false;
    this.renderer.setClearColor(SKY, 1);
    this.renderer.render(this.scene, this.camera);
    this.drawn?.();
  }

  // Draws, and waits until the picture is there.
  finish() {
    this.drawNow();
    const gl = this.renderer.getContext();
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  }

  // What lies under a pixel: [{ layer, index }], nearest to it first; drawn once more with numbers for colours.
  meetFeatures(px, py) {
    const { clientWidth: width, clientHeight: height } = this.renderer.domElement;
    const size = 2 * AROUND + 1;
    const meshes = Object.values(this.layers).map(({ mesh }) => mesh);
    const { screen, picking } = this.shared;
    this.camera.setViewOffset(width, height, px - AROUND, py - AROUND, size, size);
    screen.value.set(size, size, 1);
    picking.value = 1;
    for (const { material } of meshes) material.blending = THREE.NoBlending;
    this.renderer.setRenderTarget(this.around);
    this.renderer.setClearColor(0, 0);
    this.renderer.clear();
    this.renderer.render(this.scene, this.camera);
    const bytes = new Uint8Array(size * size * 4);
    this.renderer.readRenderTargetPixels(this.around, 0, 0, size, size, bytes);
    this.renderer.setRenderTarget(null);
    for (const { material } of meshes) material.blending = THREE.NormalBlending;
    picking.value = 0;
    screen.value.set(width, height, this.renderer.getPixelRatio());
    this.camera.clearViewOffset();
    const found = new Map();
    for (let k = 0; k < size * size; k++) {
      const [r, g, b, code] = bytes.subarray(4 * k, 4 * k + 4);
      if (!code) continue;
      const distance = Math.hypot((k % size) - AROUND, Math.floor(k / size) - AROUND);
      const key = `${code} ${r + 256 * g + 65536 * b}`;
      if (!(found.get(key) <= distance)) found.set(key, distance);
    }
    const names = Object.keys(this.layers);
    return [...found].sort((a, b) => a[1] - b[1]).map(([key]) => {
      const [code, index] = key.split(' ').map(Number);
      return { layer: names[code - 1], index };
    });
  }

  // Local metres where the view through a pixel meets the ground: a march over the lattice, no search of triangles.
  meetGround(px, py) {
    const { clientWidth: width, clientHeight: height } = this.renderer.domElement;
    const ray = new THREE.Raycaster();
    ray.setFromCamera(new THREE.Vector2((px / width) * 2 - 1, 1 - (py / height) * 2), this.camera);
    const { origin: o, direction: d } = ray.ray;
    if (d.z >= 0) return null;
    const relief = this.shared.relief.value;
    let t = Math.max(0, ((this.top ?? 0) * relief - o.z) / d.z);
    const end = ((this.bottom ?? 0) * relief - o.z) / d.z;
    const stride = Math.max((end - t) / 400, 1e-6);
    for (; t < end; t += stride) {
      if (o.z + d.z * t <= this.ground(o.x + d.x * t, o.y + d.y * t) * relief) break;
    }
    return [o.x + d.x * t, o.y + d.y * t];
  }

  // Pixel and depth (below 1: before the eye) of a local position.
  pixel(x, y, z) {
    const p = new THREE.Vector3(x, y, z * this.shared.relief.value).project(this.camera);
    const { clientWidth: width, clientHeight: height } = this.renderer.domElement;
    return [((p.x + 1) / 2) * width, ((1 - p.y) / 2) * height, p.z];
  }
}
