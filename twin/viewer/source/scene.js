// The 3D scene: terrain with a draped field, links and power lines as ribbons of constant width on the screen, nodes as
// round points. Positions are local metres (RD minus an origin), so single precision is exact to a millimetre.
import * as THREE from 'three';
import { MapControls } from 'three/examples/jsm/controls/MapControls.js';
import { SCALES } from './colours.js';

const SHADE = `
uniform sampler2D scale; uniform float low, high, opacity, cut;
vec4 coloured(float v) {
  if (v < cut) discard;
  if (!(v == v) || abs(v) > 1e37) return vec4(vec3(.62), opacity);
  return vec4(texture2D(scale, vec2(clamp((v - low) / (high - low), .003, .997), .5)).rgb, opacity);
}`;

function valueTexture(count) {
  const side = Math.max(1, Math.ceil(Math.sqrt(count)));
  const texture = new THREE.DataTexture(new Float32Array(side * side), side, side, THREE.RedFormat, THREE.FloatType);
  return { texture, side };
}

function material(vertexShader, fragmentShader, uniforms, extra = {}) {
  return new THREE.ShaderMaterial({
    vertexShader,
    fragmentShader: SHADE + fragmentShader,
    transparent: true,
    side: THREE.DoubleSide,
    uniforms: {
      scale: { value: SCALES.viridis.texture },
      low: { value: 0 },
      high: { value: 1 },
      opacity: { value: 1 },
      cut: { value: -1e38 },
      relief: { value: 1 },
      values: { value: null },
      ...uniforms,
    },
    ...extra,
  });
}

export class Stage {
  constructor(canvas) {
    this.renderer = new THREE.WebGLRenderer({ antialias: true, preserveDrawingBuffer: true, canvas });
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio || 1, 2));
    this.scene = new THREE.Scene();
    this.scene.background = new THREE.Color(0xe9edf1);
    this.camera = new THREE.PerspectiveCamera(40, 1, 10, 1e6);
    this.camera.up.set(0, 0, 1);
    this.controls = new MapControls(this.camera, canvas);
    this.controls.maxPolarAngle = 1.5;
    this.controls.addEventListener('change', () => this.draw());
    this.layers = {};
    this.screen = { value: new THREE.Vector2(1, 1) };
    this.relief = 1;
    this.pending = false;
  }

  setGround(x, y, elevation, origin) {
    const [nx, ny] = [x.length, y.length];
    Object.assign(this, { nx, ny, origin, elevation, cell: x[1] - x[0], x0: x[0] - origin[0], y0: y[0] - origin[1] });
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
    const texture = new THREE.DataTexture(new Float32Array(nx * ny), nx, ny, THREE.RedFormat, THREE.FloatType);
    const shader = material(
      `uniform float relief; varying vec2 at; varying vec3 n;
       void main() { at = uv; n = normalize(vec3(normal.xy * relief, normal.z));
         gl_Position = projectionMatrix * modelViewMatrix * vec4(position.xy, position.z * relief, 1.); }`,
      `uniform sampler2D values; uniform float plain; varying vec2 at; varying vec3 n;
       void main() {
         vec4 c = plain > .5 ? vec4(.86, .87, .83, opacity) : coloured(texture2D(values, at).r);
         float light = .62 + .42 * clamp(dot(normalize(n), normalize(vec3(-.5, .45, .75))), 0., 1.);
         gl_FragColor = vec4(c.rgb * light, c.a); }`,
      { plain: { value: 0 } },
      { polygonOffset: true, polygonOffsetFactor: 2, polygonOffsetUnits: 8 },
    );
    shader.uniforms.values.value = texture;
    const mesh = new THREE.Mesh(geometry, shader);
    this.layers.field = { mesh, texture, shader };
    this.scene.add(mesh);
    this.span = Math.max(nx, ny) * this.cell;
  }

  // Height of the ground at local metres, 0 outside and where it is unknown.
  ground(px, py) {
    if (!this.elevation) return 0;
    const i = Math.min(Math.max(Math.round((px - this.x0) / this.cell), 0), this.nx - 1);
    const j = Math.min(Math.max(Math.round((py - this.y0) / this.cell), 0), this.ny - 1);
    const z = this.elevation[j * this.nx + i];
    return Number.isFinite(z) ? z : 0;
  }

  // Ribbons: `points` local (x, y, z) per piece end, `owner` the link of each piece.
  setRibbons(name, pieces, owner, count, look) {
    const total = owner.length;
    const position = new Float32Array(total * 12);
    const side = new Float32Array(total * 8);
    const own = new Float32Array(total * 4);
    const index = new Uint32Array(total * 6);
    for (let k = 0; k < total; k++) {
      const [ax, ay, az, bx, by, bz] = pieces.subarray(6 * k, 6 * k + 6);
      const length = Math.hypot(bx - ax, by - ay) || 1;
      const [sx, sy] = [-(by - ay) / length, (bx - ax) / length];
      position.set([ax, ay, az, ax, ay, az, bx, by, bz, bx, by, bz], 12 * k);
      side.set([sx, sy, 0, 0, sx, sy, 0, 0], 8 * k); // two-way pairs lie side by side: each keeps to its right
      own.fill(owner[k], 4 * k, 4 * k + 4);
      index.set([4 * k, 4 * k + 1, 4 * k + 2, 4 * k + 1, 4 * k + 3, 4 * k + 2], 6 * k);
    }
    for (let i = 0; i < side.length; i++) side[i] = -side[i];
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute('position', new THREE.BufferAttribute(position, 3));
    geometry.setAttribute('side', new THREE.BufferAttribute(side, 2));
    geometry.setAttribute('own', new THREE.BufferAttribute(own, 1));
    geometry.setIndex(new THREE.BufferAttribute(index, 1));
    const { texture, side: width } = valueTexture(count);
    const shader = material(
      `uniform sampler2D values; uniform float relief, width, low, high, raise, thin, thick; uniform vec2 screen;
       attribute vec2 side; attribute float own; varying float v;
       void main() {
         v = texture2D(values, (vec2(mod(own, width), floor(own / width)) + .5) / width).r;
         float reach = max(abs(low), abs(high));
         float share = v == v && abs(v) < 1e37 && reach > 0. ? clamp(abs(v) / reach, 0., 1.) : 0.;
         vec3 p = vec3(position.xy, position.z * relief + raise * share);
         float depth = -(modelViewMatrix * vec4(p, 1.)).z;
         float metres = depth * 2. / (projectionMatrix[1][1] * screen.y); // of one pixel at this depth
         p.xy += side * max(4., metres * (thin + (thick - thin) * share));
         gl_Position = projectionMatrix * modelViewMatrix * vec4(p, 1.);
         gl_Position.z -= .0004 * gl_Position.w; }`,
      `varying float v; void main() { gl_FragColor = coloured(v); }`,
      {
        width: { value: width },
        raise: { value: 0 },
        thin: { value: look.thin },
        thick: { value: look.thick },
        screen: this.screen,
      },
    );
    shader.uniforms.values.value = texture;
    const mesh = new THREE.Mesh(geometry, shader);
    mesh.frustumCulled = false;
    mesh.renderOrder = look.order;
    this.layers[name] = { mesh, texture, shader };
    this.scene.add(mesh);
  }

  setPoints(name, points, look) {
    const count = points.length / 3;
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute('position', new THREE.BufferAttribute(points, 3));
    geometry.setAttribute('own', new THREE.BufferAttribute(Float32Array.from({ length: count }, (_, i) => i), 1));
    const { texture, side } = valueTexture(count);
    const thick = Math.min(12, Math.max(5, 16 - 3.2 * Math.log10(count))); // px: the more there are, the smaller
    const shader = material(
      `uniform sampler2D values; uniform float relief, width, low, high, thin, thick; attribute float own; varying float v;
       void main() {
         v = texture2D(values, (vec2(mod(own, width), floor(own / width)) + .5) / width).r;
         float share = v == v && abs(v) < 1e37 && high > low ? clamp((v - low) / (high - low), 0., 1.) : 0.;
         gl_Position = projectionMatrix * modelViewMatrix * vec4(position.xy, position.z * relief + 5., 1.);
         gl_Position.z -= .0008 * gl_Position.w;
         gl_PointSize = thin + (thick - thin) * share; }`,
      `uniform float rim; varying float v; void main() {
         float r = length(gl_PointCoord - .5); if (r > .5) discard;
         vec4 c = coloured(v); gl_FragColor = vec4(r > .5 - rim ? vec3(.12) : c.rgb, c.a); }`,
      { width: { value: side }, thin: { value: thick / 3 }, thick: { value: thick }, rim: { value: thick > 7 ? 0.14 : 0.06 } },
    );
    shader.uniforms.values.value = texture;
    const mesh = new THREE.Points(geometry, shader);
    mesh.frustumCulled = false;
    mesh.renderOrder = look.order;
    this.layers[name] = { mesh, texture, shader };
    this.scene.add(mesh);
  }

  show(name, values, scale, [low, high]) {
    const { texture, shader } = this.layers[name];
    if (values) {
      texture.image.data.set(values);
      texture.needsUpdate = true;
    }
    const uniforms = shader.uniforms;
    if (uniforms.plain) uniforms.plain.value = values ? 0 : 1;
    uniforms.scale.value = SCALES[scale].texture;
    uniforms.low.value = low;
    uniforms.high.value = high;
  }

  setRelief(relief) {
    this.relief = relief;
    for (const { shader } of Object.values(this.layers)) shader.uniforms.relief.value = relief;
    this.draw();
  }

  look(span, centre, camera) {
    if (camera) {
      this.camera.position.fromArray(camera);
      this.controls.target.fromArray(camera, 3);
    } else {
      // seen from the south, a little to the left of the middle since the panels stand there
      this.controls.target.set(centre[0] - 0.05 * span, centre[1] - 0.06 * span, 0);
      this.camera.position.set(centre[0] - 0.2 * span, centre[1] - 0.9 * span, 0.85 * span);
    }
    this.camera.near = span / 5000;
    this.camera.far = span * 12;
    this.controls.update();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.renderer.domElement;
    this.renderer.setSize(width, height, false);
    this.screen.value.set(width, height);
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
    this.renderer.render(this.scene, this.camera);
  }

  // Local metres where the view through a pixel meets the ground: a march over the lattice, no search of triangles.
  meet(px, py) {
    const { clientWidth: width, clientHeight: height } = this.renderer.domElement;
    const ray = new THREE.Raycaster();
    ray.setFromCamera(new THREE.Vector2((px / width) * 2 - 1, 1 - (py / height) * 2), this.camera);
    const { origin: o, direction: d } = ray.ray;
    if (d.z >= 0) return null;
    const top = (this.top ?? 0) * this.relief;
    const bottom = (this.bottom ?? 0) * this.relief;
    let t = Math.max(0, (top - o.z) / d.z);
    const end = (bottom - o.z) / d.z;
    const stride = Math.max((end - t) / 400, 1e-6);
    for (; t < end; t += stride) {
      if (o.z + d.z * t <= this.ground(o.x + d.x * t, o.y + d.y * t) * this.relief) break;
    }
    return [o.x + d.x * t, o.y + d.y * t];
  }
}
