/** Why this answer: saliency, Grad-CAM, occlusion and receptive field, all from the engine's own passes. */
import { backwardFromScore, forward, type Network, type Starts, type Values } from '../engine/network';
import { extent, tensor, type Tensor } from '../engine/tensor';
import type { ExplainerRecord } from '../record/format';

/** A pass whose gradients are those of one class score instead of the loss. */
export function scorePass(network: Network, starts: Starts, index: number): Values {
  return backwardFromScore(network, forward(network, starts), network.record.outputs[0], index);
}

/** The largest size of the gradient over the channels, at each pixel. */
export function saliency(gradient: Tensor): Tensor {
  const { h, w, c } = extent(gradient.shape);
  const map = tensor([h, w]);
  gradient.data.forEach((d, i) => {
    const cell = Math.floor(i / c);
    map.data[cell] = Math.max(map.data[cell], Math.abs(d));
  });
  return map;
}

export interface GradCam {
  /** The mean gradient of each map. */
  weights: number[];
  /** The weighted sum of the maps, negative parts cut off, at the layer's own size. */
  map: Tensor;
}

export function gradCam(activation: Tensor, gradient: Tensor): GradCam {
  const [h, w, c] = activation.shape;
  const weights = new Array<number>(c).fill(0);
  gradient.data.forEach((d, i) => (weights[i % c] += d / (h * w)));
  const map = tensor([h, w]);
  for (let cell = 0; cell < h * w; cell++) {
    let sum = 0;
    for (let f = 0; f < c; f++) sum += weights[f] * activation.data[cell * c + f];
    map.data[cell] = Math.max(0, sum);
  }
  return { weights, map };
}

/** A small map spread smoothly over the image's cells. */
export function stretched(map: Tensor, height: number, width: number): Tensor {
  const [h, w] = map.shape;
  const taps = (n: number, o: number, size: number) => {
    const at = Math.min(Math.max(((o + 0.5) * n) / size - 0.5, 0), n - 1);
    const low = Math.min(Math.floor(at), n - 1);
    return { low, high: Math.min(low + 1, n - 1), share: at - low };
  };
  const result = tensor([height, width]);
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const [y, x] = [taps(h, row, height), taps(w, column, width)];
      const line = (r: number) => map.data[r * w + x.low] * (1 - x.share) + map.data[r * w + x.high] * x.share;
      result.data[row * width + column] = line(y.low) * (1 - y.share) + line(y.high) * y.share;
    }
  return result;
}

/** The image with a square patch set to its mean. */
export function covered(image: Tensor, top: number, left: number, size: number): Tensor {
  const [h, w, c] = image.shape;
  const mean = new Array<number>(c).fill(0);
  image.data.forEach((value, i) => (mean[i % c] += value / (h * w)));
  const result = tensor(image.shape, image.data);
  for (let row = Math.max(top, 0); row < Math.min(top + size, h); row++)
    for (let column = Math.max(left, 0); column < Math.min(left + size, w); column++)
      for (let k = 0; k < c; k++) result.data[(row * w + column) * c + k] = mean[k];
  return result;
}

/** Rows and columns from first to last, both included. */
export interface Region {
  rows: [number, number];
  columns: [number, number];
}

const joined = (a: Region | null, b: Region): Region =>
  a
    ? {
        rows: [Math.min(a.rows[0], b.rows[0]), Math.max(a.rows[1], b.rows[1])],
        columns: [Math.min(a.columns[0], b.columns[0]), Math.max(a.columns[1], b.columns[1])],
      }
    : b;

type Range = [number, number];

/** The input rows (or columns) that outputs `range` of a layer read, before they are cut at the edge. */
function reach(record: ExplainerRecord, node: number, input: number, axis: 0 | 1, range: Range): Range {
  const layer = record.layers[record.nodes[node].layer];
  const o = layer.options;
  const from = record.nodes[record.nodes[node].inputs[input]].shape;
  const whole: Range = [0, (from.length === 3 ? from[axis] : 1) - 1];
  const kernel = layer.parameters.find((p) => p.name.endsWith('kernel') && p.name !== 'pointwise_kernel');
  const window = (k: number, s: number, pad: number, d: number): Range => [
    range[0] * s - pad,
    range[1] * s - pad + (k - 1) * d,
  ];
  switch (layer.class) {
    case 'Conv2D':
    case 'DepthwiseConv2D':
    case 'SeparableConv2D':
      return window(record.tensors[kernel!.value].shape[axis], o.strides[axis], o.pads[axis][0], o.dilation[axis]);
    case 'Conv2DTranspose': {
      const k = record.tensors[kernel!.value].shape[axis];
      const at = (i: number) => (i + o.pads[axis][0]) / o.strides[axis];
      return [Math.ceil(at(range[0] - (k - 1) * o.dilation[axis])), Math.floor(at(range[1]))];
    }
    case 'MaxPooling2D':
    case 'AveragePooling2D':
      return window(o.pool_size[axis], o.strides[axis], o.pads[axis][0], 1);
    case 'ZeroPadding2D':
      return [range[0] - o.pads[axis][0], range[1] - o.pads[axis][0]];
    case 'Cropping2D':
      return [range[0] + o.pads[axis][0], range[1] + o.pads[axis][0]];
    case 'UpSampling2D': {
      const more = o.interpolation === 'bilinear' ? 1 : 0;
      return [Math.floor(range[0] / o.size[axis]) - more, Math.floor(range[1] / o.size[axis]) + more];
    }
    case 'Dense':
    case 'Flatten':
    case 'Reshape':
    case 'Softmax':
    case 'GlobalAveragePooling2D':
    case 'GlobalMaxPooling2D':
      return whole;
    default:
      return from.length === 3 ? range : whole;
  }
}

/** The region of every earlier node that can reach one cell; null where none of it can. */
export function receptiveField(record: ExplainerRecord, node: number, index: number[]): (Region | null)[] {
  const regions: (Region | null)[] = record.nodes.map(() => null);
  const { shape } = record.nodes[node];
  regions[node] =
    shape.length === 3
      ? { rows: [index[0], index[0]], columns: [index[1], index[1]] }
      : { rows: [0, 0], columns: [0, 0] };
  for (let k = node; k >= 0; k--) {
    const region = regions[k];
    if (!region) continue;
    record.nodes[k].inputs.forEach((from, input) => {
      const found = {
        rows: reach(record, k, input, 0, region.rows),
        columns: reach(record, k, input, 1, region.columns),
      };
      const { h, w } = extent(record.nodes[from].shape);
      const cut = (range: Range, n: number): Range => [Math.max(range[0], 0), Math.min(range[1], n - 1)];
      const clipped: Region =
        record.nodes[from].shape.length === 3 ? { rows: cut(found.rows, h), columns: cut(found.columns, w) } : found;
      regions[from] = joined(regions[from], clipped);
    });
  }
  return regions;
}
