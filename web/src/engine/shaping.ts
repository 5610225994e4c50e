import type { Pads } from './convolution';
import { tensor, type Tensor } from './tensor';

/** Where each number of a padded (or, with negative amounts, cropped) map comes from: −1 for a new zero. */
export function paddingSources([h, w, c]: readonly number[], pads: Pads): { shape: number[]; source: Int32Array } {
  const [[top, bottom], [left, right]] = pads;
  const shape = [h + top + bottom, w + left + right, c];
  const source = new Int32Array(shape[0] * shape[1] * c).fill(-1);
  for (let y = 0, i = 0; y < shape[0]; y++)
    for (let x = 0; x < shape[1]; x++)
      for (let k = 0; k < c; k++, i++) {
        const [sy, sx] = [y - top, x - left];
        if (sy >= 0 && sy < h && sx >= 0 && sx < w) source[i] = (sy * w + sx) * c + k;
      }
  return { shape, source };
}

export const negated = ([[top, bottom], [left, right]]: Pads): Pads => [
  [-top, -bottom],
  [-left, -right],
];

export function padForward(x: Tensor, pads: Pads): Tensor {
  const { shape, source } = paddingSources(x.shape, pads);
  return tensor(
    shape,
    Float64Array.from(source, (i) => (i < 0 ? 0 : x.data[i])),
  );
}

export function padBackward(dy: Tensor, x: Tensor, pads: Pads): Tensor {
  const dx = tensor(x.shape);
  paddingSources(x.shape, pads).source.forEach((i, at) => {
    if (i >= 0) dx.data[i] += dy.data[at];
  });
  return dx;
}

/** The input rows (or columns) that make each output row, with their weights; bilinear takes pixels at their centres. */
export function upsamplingTaps(n: number, factor: number, interpolation: string): { from: number; weight: number }[][] {
  return Array.from({ length: n * factor }, (_, o) => {
    if (interpolation === 'nearest') return [{ from: Math.floor(o / factor), weight: 1 }];
    const at = (o + 0.5) / factor - 0.5;
    const low = Math.floor(at);
    const share = at - low;
    const clamp = (i: number) => Math.min(Math.max(i, 0), n - 1);
    return [
      { from: clamp(low), weight: 1 - share },
      { from: clamp(low + 1), weight: share },
    ].filter((tap) => tap.weight > 0);
  });
}

function eachUpsampled(
  [h, w, c]: readonly number[],
  size: readonly number[],
  interpolation: string,
  visit: (input: number, output: number, weight: number) => void,
): void {
  const rows = upsamplingTaps(h, size[0], interpolation);
  const columns = upsamplingTaps(w, size[1], interpolation);
  rows.forEach((ys, oy) =>
    columns.forEach((xs, ox) => {
      for (const y of ys)
        for (const x of xs)
          for (let k = 0; k < c; k++) {
            visit((y.from * w + x.from) * c + k, (oy * columns.length + ox) * c + k, y.weight * x.weight);
          }
    }),
  );
}

export function upsampleForward(x: Tensor, size: readonly number[], interpolation: string): Tensor {
  const y = tensor([x.shape[0] * size[0], x.shape[1] * size[1], x.shape[2]]);
  eachUpsampled(x.shape, size, interpolation, (i, o, weight) => (y.data[o] += weight * x.data[i]));
  return y;
}

export function upsampleBackward(dy: Tensor, x: Tensor, size: readonly number[], interpolation: string): Tensor {
  const dx = tensor(x.shape);
  eachUpsampled(x.shape, size, interpolation, (i, o, weight) => (dx.data[i] += weight * dy.data[o]));
  return dx;
}
