/** One pass through the recorded network, forward and backward, with the engine's own arithmetic. */
import type { ExplainerRecord, LayerRecord } from '../record/format';
import { activationBackward, activationForward, knowsActivation } from './activations';
import { operations, withRegularizer, type Forward, type Operation } from './layers';
import { isCrossentropy, knowsLoss, lossOf } from './losses';
import { added, map, tensor, type Tensor } from './tensor';

/** All numbers of one node. Null is "not known": not recorded, or beyond what the engine computes. */
export interface NodeValues {
  output: Tensor | null;
  /** Before the activation inside the layer; the output itself where there is none. */
  z: Tensor | null;
  d_output: Tensor | null;
  d_z: Tensor | null;
  /** The gradient that this call sends to each of its inputs. */
  d_inputs: (Tensor | null)[];
  cache: unknown;
}

export interface Values {
  nodes: NodeValues[];
  /** By layer, then by parameter: the sum over the calls of the layer. */
  gradients: Map<string, Tensor>[];
  loss: number | null;
}

export interface Network {
  record: ExplainerRecord;
  parameters: Map<string, Tensor>[];
  targets: (Tensor | null)[];
}

export const layerOf = (record: ExplainerRecord, node: number): LayerRecord => record.layers[record.nodes[node].layer];

/** The operation of a layer, where the engine has it with these settings. */
export function operationOf(layer: LayerRecord): Operation | undefined {
  if (layer.options.unsupported || (layer.activation && !knowsActivation(layer.activation.name))) return undefined;
  if ('name' in layer.options && !knowsActivation(layer.options.name)) return undefined;
  return operations.get(layer.class);
}

/** For each node, who reads it: the node and which of its inputs. */
export function consumersOf(record: ExplainerRecord): { node: number; input: number }[][] {
  const consumers: { node: number; input: number }[][] = record.nodes.map(() => []);
  record.nodes.forEach((node, k) => node.inputs.forEach((from, input) => consumers[from].push({ node: k, input })));
  return consumers;
}

const empty = (): NodeValues => ({ output: null, z: null, d_output: null, d_z: null, d_inputs: [], cache: null });

export type Starts = ReadonlyMap<number, Tensor>;

/**
 * Runs the network from `starts` (the input images, by node).
 *
 * A node the engine cannot compute has the numbers of `recorded`; without them it, and all that follow it, stay null.
 */
export function forward({ record, parameters }: Network, starts: Starts, recorded?: Values): Values {
  const nodes = record.nodes.map(empty);
  record.nodes.forEach((node, k) => {
    const values = nodes[k];
    const layer = record.layers[node.layer];
    if (layer.class === 'InputLayer') {
      values.z = values.output = starts.get(k) ?? null;
      return;
    }
    const operation = operationOf(layer);
    const inputs = node.inputs.map((i) => nodes[i].output);
    if (!operation || inputs.some((x) => !x)) {
      if (recorded) Object.assign(values, { output: recorded.nodes[k].output, z: recorded.nodes[k].z });
      return;
    }
    const pass = { inputs: inputs as Tensor[], parameters: parameters[node.layer], options: layer.options };
    const done = operation.forward(pass);
    values.z = done.output;
    values.cache = done.cache ?? null;
    values.output = layer.activation ? activationForward(done.output, layer.activation) : done.output;
  });
  return { nodes, gradients: record.layers.map(() => new Map()), loss: null };
}

/** The gradient where the backward pass begins: on a node's output, or (fused) on what its activation was given. */
interface Seed {
  node: number;
  gradient: Tensor;
  before: boolean;
  /** With `before`: the gradient on the output itself, which the pass does not need but a reader wants to see. */
  shown?: Tensor;
}

function lossSeeds({ record, targets }: Network, values: Values): { seeds: Seed[]; loss: number | null } {
  const seeds: Seed[] = [];
  let loss = 0;
  for (const [i, spec] of record.losses.entries()) {
    const { output, z } = values.nodes[spec.node];
    const target = targets[i];
    if (!output || !target || !knowsLoss(spec.class)) return { seeds: [], loss: null };
    const logits = spec.fused ? (logitsOf(record, values, spec.node) ?? z) : null;
    const { value, gradient } = lossOf(spec.class, spec.options, output, target, logits);
    const weighted = (d: Tensor): Tensor => map(d, (v) => v * spec.weight);
    const before = spec.fused && isCrossentropy(spec.class);
    const shown = before ? weighted(lossOf(spec.class, spec.options, output, target, null).gradient) : undefined;
    loss += spec.weight * value;
    seeds.push({ node: spec.node, gradient: weighted(gradient), before, shown });
  }
  return { seeds, loss: record.losses.length ? loss : null };
}

/** What the last softmax or sigmoid was given: inside the layer, or the output of the layer before it. */
export function logitsOf(record: ExplainerRecord, values: Values, node: number): Tensor | null {
  if (layerOf(record, node).activation) return values.nodes[node].z;
  const [from] = record.nodes[node].inputs;
  return from === undefined ? null : values.nodes[from].output;
}

/** Runs back from the losses, filling gradients into `values`; `recorded` ones stand in below a layer it cannot compute. */
export function backward(network: Network, values: Values, recorded?: Values): void {
  const { seeds, loss } = lossSeeds(network, values);
  values.loss = loss;
  if (seeds.length) propagate(network, values, seeds, recorded);
  else if (recorded) propagate(network, values, recordedSeeds(network.record, recorded), recorded);
  addRegularizers(network, values);
}

/** Where no loss can be computed: the gradients that were recorded on the outputs. */
function recordedSeeds(record: ExplainerRecord, recorded: Values): Seed[] {
  return record.outputs.flatMap((node) => {
    const gradient = recorded.nodes[node].d_output;
    return gradient ? [{ node, gradient, before: false }] : [];
  });
}

/** Runs back from one number: the class score (before the last activation) that Grad-CAM and saliency ask about. */
export function backwardFromScore(network: Network, values: Values, node: number, index: number): void {
  const { output } = values.nodes[node];
  if (!output) return;
  const gradient = tensor(output.shape);
  gradient.data[index] = 1;
  propagate(network, values, [{ node, gradient, before: true }]);
}

function propagate({ record, parameters }: Network, values: Values, seeds: Seed[], recorded?: Values): void {
  const beyond = new Set(record.nodes.flatMap((node) => (operationOf(record.layers[node.layer]) ? [] : node.inputs)));
  for (let k = record.nodes.length - 1; k >= 0; k--) {
    const node = record.nodes[k];
    const layer = record.layers[node.layer];
    const at = values.nodes[k];
    const seed = seeds.find((s) => s.node === k);
    if (recorded && beyond.has(k)) at.d_output = recorded.nodes[k].d_output;
    const skipActivation = Boolean(seed?.before && (layer.activation || isActivationLayer(layer)));
    if (seed?.shown && skipActivation) at.d_output = seed.shown;
    if (seed && !skipActivation) at.d_output = at.d_output ? added(at.d_output, seed.gradient) : seed.gradient;
    if (layer.class === 'InputLayer' || !at.output || !at.z) {
      at.d_z = at.d_output;
      continue;
    }
    const operation = operationOf(layer);
    if (!operation || (!at.d_output && !skipActivation)) continue;
    const inputs = node.inputs.map((i) => values.nodes[i].output as Tensor);
    if (skipActivation && seed && !layer.activation) {
      // A softmax layer of its own, taken together with the loss: the gradient goes straight to its input.
      at.d_inputs = [seed.gradient];
    } else {
      at.d_z = skipActivation && seed ? seed.gradient : at.d_output;
      if (layer.activation && at.d_output && !skipActivation)
        at.d_z = activationBackward(at.d_output, at.z, at.output, layer.activation);
      const pass = { inputs, parameters: parameters[node.layer], options: layer.options };
      const done: Forward = { output: at.z, cache: at.cache };
      const { inputs: d_inputs, gradients = {} } = operation.backward(at.d_z as Tensor, pass, done);
      at.d_inputs = d_inputs;
      const sums = values.gradients[node.layer];
      for (const [name, gradient] of Object.entries(gradients)) {
        const before = sums.get(name);
        if (gradient) sums.set(name, before ? added(before, gradient) : gradient);
      }
    }
    node.inputs.forEach((from, i) => {
      const d = at.d_inputs[i];
      const to = values.nodes[from];
      if (d) to.d_output = to.d_output ? added(to.d_output, d) : d;
    });
  }
}

const isActivationLayer = (layer: LayerRecord): boolean => ['Softmax', 'Activation'].includes(layer.class);

function addRegularizers({ record, parameters }: Network, values: Values): void {
  record.layers.forEach((layer, i) => {
    for (const { name, l1 = 0, l2 = 0 } of layer.parameters) {
      const [w, dw] = [parameters[i].get(name), values.gradients[i].get(name)];
      if (!w || !(l1 || l2)) continue;
      if (dw) values.gradients[i].set(name, withRegularizer(dw, w, { l1, l2 }));
      if (values.loss !== null) values.loss += w.data.reduce((sum, v) => sum + l1 * Math.abs(v) + l2 * v * v, 0);
    }
  });
}
