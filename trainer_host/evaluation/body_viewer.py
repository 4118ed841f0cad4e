"""A body to turn around in a page that needs no network: our own GLB files, drawn by a script of a few lines.

A canvas and the painter's order instead of WebGL: browsers keep few WebGL contexts, and a page has many bodies.
"""

from __future__ import annotations

import base64

MOST_BYTES = 2 * 1024 * 1024

# Reads what `edge_runtime.media.glb` writes: one mesh, float32 places in the first view, uint32 corners in the second.
SCRIPT = """
'use strict';
for (const canvas of document.querySelectorAll('canvas[data-glb]')) {
  const bytes = Uint8Array.from(atob(canvas.dataset.glb), c => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const jsonLength = view.getUint32(12, true);
  const asset = JSON.parse(new TextDecoder().decode(bytes.subarray(20, 20 + jsonLength)));
  const start = 20 + jsonLength + 8, [places, corners] = asset.bufferViews;
  const points = new Float32Array(bytes.buffer.slice(start, start + places.byteLength));
  const from = start + corners.byteOffset;
  const index = new Uint32Array(bytes.buffer.slice(from, from + corners.byteLength));
  const {min, max} = asset.accessors[0];
  const middle = min.map((low, axis) => (low + max[axis]) / 2);
  const radius = Math.hypot(...min.map((low, axis) => (max[axis] - low) / 2)) || 1;
  // glTF's colours are linear; a page's are sRGB (IEC 61966-2-1). The sides of a black body must be told apart, too.
  const paint = asset.materials[0].pbrMetallicRoughness.baseColorFactor.slice(0, 3).map(
    level => level <= 0.0031308 ? 12.92 * level : 1.055 * Math.pow(level, 1 / 2.4) - 0.055).map(level => Math.max(level, 0.18));
  const pen = canvas.getContext('2d'), size = canvas.width, count = index.length / 3;
  let turn = 0.6, tilt = 0.5;
  const seen = new Float32Array(points.length), order = new Uint32Array(count), depth = new Float32Array(count);
  function draw() {
    const [ct, st, cx, sx] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
    const scale = size * 0.46 / radius;
    for (let i = 0; i < points.length; i += 3) {
      const x = points[i] - middle[0], y = points[i + 1] - middle[1], z = points[i + 2] - middle[2];
      const across = ct * x + st * z, away = ct * z - st * x;
      seen[i] = across * scale; seen[i + 1] = (cx * y - sx * away) * scale; seen[i + 2] = (cx * away + sx * y) * scale;
    }
    for (let t = 0; t < count; t++) {
      order[t] = t;
      depth[t] = seen[3 * index[3 * t] + 2] + seen[3 * index[3 * t + 1] + 2] + seen[3 * index[3 * t + 2] + 2];
    }
    order.sort((one, other) => depth[one] - depth[other]);
    pen.clearRect(0, 0, size, size);
    for (const t of order) {
      const [a, b, c] = [3 * index[3 * t], 3 * index[3 * t + 1], 3 * index[3 * t + 2]];
      const ux = seen[b] - seen[a], uy = seen[b + 1] - seen[a + 1], uz = seen[b + 2] - seen[a + 2];
      const vx = seen[c] - seen[a], vy = seen[c + 1] - seen[a + 1], vz = seen[c + 2] - seen[a + 2];
      const nx = uy * vz - uz * vy, ny = uz * vx - ux * vz, nz = ux * vy - uy * vx;
      if (nz <= 0) continue;
      const light = Math.max(0, (-0.35 * nx + 0.55 * ny + 0.76 * nz) / Math.hypot(nx, ny, nz));
      const shade = paint.map(level => Math.round(255 * level * (0.4 + 0.6 * light)));
      pen.fillStyle = pen.strokeStyle = `rgb(${shade})`;
      pen.beginPath();
      pen.moveTo(size / 2 + seen[a], size / 2 - seen[a + 1]);
      pen.lineTo(size / 2 + seen[b], size / 2 - seen[b + 1]);
      pen.lineTo(size / 2 + seen[c], size / 2 - seen[c + 1]);
      pen.closePath(); pen.fill(); pen.stroke();
    }
  }
  function rotate(across, up) { turn += across; tilt = Math.max(-1.57, Math.min(1.57, tilt + up)); draw(); }
  canvas.addEventListener('pointerdown', event => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener('pointermove', event => {
    if (event.buttons) rotate(event.movementX * 0.01, event.movementY * 0.01);
  });
  canvas.addEventListener('keydown', event => {
    const step = {ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1]}[event.key];
    if (step) { event.preventDefault(); rotate(...step); }
  });
  draw();
}
"""


def viewer(glb: bytes) -> str:
    """A canvas that `SCRIPT` draws the body on; a sentence for what is too large."""
    if len(glb) > MOST_BYTES:
        return f"<p>The body has {len(glb) / 1e6:.1f} MB, too much for a page; look at it with 'enigma ask --out'.</p>"
    held = base64.b64encode(glb).decode()
    label = "The body; drag it, or turn it with the arrow keys."
    return f'<canvas tabindex="0" role="img" aria-label="{label}" title="{label}" width="240" height="240" data-glb="{held}"></canvas><br>'
