import { layerOf, type Values } from '../engine/network';
import type { Options, Parameters } from '../engine/layers';
import type { Tensor } from '../engine/tensor';
import type { ExplainerRecord, LayerRecord } from '../record/format';

/** One product of a sum. `outside` marks a cell of the padding, `winner` the cell a maximum was taken from. */
export interface Term {
  a: number;
  b: number;
  product: number;
  label: string;
  mark?: 'outside' | 'winner';
  /** Going back: the output cell that the gradient comes from. */
  from?: number[];
}

/** Products that belong together: one channel's window, one filter's share, all inputs of a dense unit. */
export interface Group {
  title: string;
  /** What the two factors and their product are called. `b` is empty where there is no second factor. */
  names: { a: string; b: string; product: string };
  rows: number;
  columns: number;
  terms: Term[];
  sum: number;
  /** The sum counts this many times (the pointwise weight of a separable convolution). */
  factor?: { name: string; value: number };
  /** The channel (of the input, or of the output going back) that the group shows. */
  channel: number;
}

export interface Line {
  label: string;
  value: number;
  /** The arithmetic in words and numbers. */
  how?: string;
}

/** A rectangle on the maps of a node; `channel` null lies on every map. */
export interface Rect {
  node: number;
  channel: number | null;
  top: number;
  left: number;
  height: number;
  width: number;
}

export interface Explanation {
  /** What is being made: `z[3, 4, 0]`. */
  target: string;
  groups: Group[];
  /** The steps after the sums, one below the other, the last of them the result. */
  lines: Line[];
  result: number;
  rects: Rect[];
  /** The key of the equation in the help. */
  equation: string;
  note?: string;
}

export interface Context {
  record: ExplainerRecord;
  parameters: Parameters[];
  targets: (Tensor | null)[];
  values: Values;
}

/** Everything about one node that an explanation reads. */
export interface At {
  context: Context;
  node: number;
  layer: LayerRecord;
  options: Options;
  parameters: Parameters;
  inputs: number[];
}

export function lookAt(context: Context, node: number): At {
  const layer = layerOf(context.record, node);
  const { layer: at, inputs } = context.record.nodes[node];
  return { context, node, layer, options: layer.options, parameters: context.parameters[at], inputs };
}

export const outputOf = (at: At, node = at.node): Tensor | null => at.context.values.nodes[node].output;
export const inputOf = (at: At, k = 0): Tensor | null => outputOf(at, at.inputs[k]);
export const shapeOf = (at: At, node = at.node): number[] => at.context.record.nodes[node].shape;

export function flat(shape: readonly number[], index: readonly number[]): number {
  return index.reduce((position, i, axis) => position * shape[axis] + i, 0);
}

export function unflat(shape: readonly number[], position: number): number[] {
  const index: number[] = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = position % shape[axis];
    position = Math.floor(position / shape[axis]);
  }
  return index;
}

export const read = (x: Tensor | null | undefined, index: readonly number[]): number =>
  x ? x.data[flat(x.shape, index)] : NaN;
export const indexed = (name: string, index: readonly number[]): string => `${name}[${index.join(', ')}]`;

/** A rectangle over one cell of any shape: a vector is a row of cells. */
export function cellRect(node: number, shape: readonly number[], index: readonly number[]): Rect {
  if (shape.length === 3) return { node, channel: index[2], top: index[0], left: index[1], height: 1, width: 1 };
  return { node, channel: 0, top: 0, left: flat(shape, index), height: 1, width: 1 };
}

export const sumOf = (terms: readonly Term[]): number => terms.reduce((total, term) => total + term.product, 0);

export const total = (groups: readonly Group[]): number =>
  groups.reduce((sum, group) => sum + group.sum * (group.factor?.value ?? 1), 0);
