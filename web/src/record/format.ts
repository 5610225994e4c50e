/** The record that `convolens.explainer.record` writes: one traced image and all it needs to be read again. */
import type { ActivationOptions } from '../engine/activations';
import type { Options } from '../engine/layers';

export const FORMAT = 'convolens.explainer';
export const VERSION = 2;

/** Little-endian float32, its four byte planes one after the other, as zlib, as base64. Empty if it was left out. */
export interface PackedTensor {
  shape: number[];
  data: string;
}

/** The position of an array in `tensors`. */
export type Ref = number;

export interface LayerRecord {
  name: string;
  /** The library's class the layer is, or inherits from: `Conv2D`. */
  class: string;
  options: Options;
  activation: ActivationOptions | null;
  parameters: { name: string; value: Ref; gradient: Ref | null; trainable: boolean; l1?: number; l2?: number }[];
  /** The library's functions that compute it, by their addresses in `sources`; `gate` is its activation, backward. */
  functions: { forward: string[]; backward: string[]; gate: string[] };
}

export interface NodeRecord {
  /** The layer's name; a second call of a shared layer adds `:1`. */
  name: string;
  layer: number;
  inputs: number[];
  shape: number[];
  output: Ref | null;
  z: Ref | null;
  d_output: Ref | null;
  d_z: Ref | null;
}

export interface LossRecord {
  node: number;
  class: string;
  options: { from_logits?: boolean; label_smoothing?: number; delta?: number };
  weight: number;
  target: Ref;
  /** The last activation and the cross-entropy are taken together, as a log-softmax (or log-sigmoid). */
  fused: boolean;
  functions: { forward: string[]; backward: string[] };
}

export interface SnapshotRecord {
  epoch: number;
  metrics: Record<string, number>;
  layers: {
    name: string;
    parameters: { name: string; value: Ref }[];
    output: Ref | null;
    d_output: Ref | null;
    dead: number | null;
    update_ratio: number | null;
  }[];
}

export interface CheckRecord {
  layer: string;
  quantity: string;
  /** In parts of the largest magnitude; null where nothing was compared number by number. */
  difference: number | null;
  ok: boolean;
}

export interface ExplainerRecord {
  format: typeof FORMAT;
  version: number;
  model: { name: string; class: string; parameters: number };
  layers: LayerRecord[];
  nodes: NodeRecord[];
  outputs: number[];
  losses: LossRecord[];
  /** What `evaluate` reports, and the same without the regularisers. */
  loss: number | null;
  data_loss: number | null;
  training: boolean;
  class_names: string[];
  label: number | null;
  about: { name: string; value: string }[];
  /** The summary of the certificate that Python made. */
  certificate: string | null;
  checks: CheckRecord[];
  recorder: SnapshotRecord[];
  /** The functions of the panels that are about the whole network, by the panel's equation. */
  functions: Record<string, string[]>;
  /** By the name under which a function is imported: where it stands, and its code. */
  sources: Record<string, { file: string; line: number; code: string }>;
  /** Arrays that were left out to keep the page small; the page computes them itself. */
  thinned: string[];
  tensors: PackedTensor[];
}
