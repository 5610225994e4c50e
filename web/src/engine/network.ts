/** One pass through the recorded network, forward and backward, with the engine's own arithmetic. */
import type { ExplainerRecord, LayerRecord } from '../record/format';
import { activationBackward, activationForward, knowsActivation } from './activations';
import { operations, withRegularizer, type Backward, type Operation, type Parameters, type Pass } from './layers';
import { isCrossentropy, knowsLoss, lossOf } from './losses';
import { once, remembered } from './remember';
import { added, map, tensor, type Tensor } from './tensor';

/** All numbers of one node. Null is "not known": not recorded, or beyond what the engine computes. */
export interface NodeValues {
  readonly output: Tensor | null;
  /** Before the activation inside the layer; the output itself where there is none. */
  readonly z: Tensor | null;
  readonly d_output: Tensor | null;
  readonly d_z: Tensor | null;
  /** The gradient that this call sends to each of its inputs. */
  readonly d_inputs: readonly (Tensor | null)[];
  readonly cache: unknown;
  /** What the engine's operation was given; null where it did not run. */
  readonly pass: Pass | null;
}

/** Of one layer, by parameter: the sum over the calls of the layer. */
export interface Gradients {
  get(name: string): Tensor | undefined;
}

export interface Values {
  readonly nodes: readonly NodeValues[];
  readonly gradients: readonly Gradients[];
  readonly loss: number | null;
}

export interface Network {
  record: ExplainerRecord;
  parameters: readonly Parameters[];
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

export type Starts = ReadonlyMap<number, Tensor>;

const UNKNOWN: NodeValues = {
  output: null,
  z: null,
  d_output: null,
  d_z: null,
  d_inputs: [],
  cache: null,
  pass: null,
};

/**
 * Runs the network from `starts` (the input images, by node).
 *
 * A node the engine cannot compute has the numbers of `recorded`; without them it, and all that follow it, stay null.
 * Where a node reads the very arrays that it read in the pass `before`, its numbers are those of that pass.
 */
export function forward({ record, parameters }: Network, starts: Starts, recorded?: Values, before?: Values): Values {
  const nodes: NodeValues[] = [];
  record.nodes.forEach((node, k) => {
    const layer = record.layers[node.layer];
    if (layer.class === 'InputLayer') {
      const image = starts.get(k) ?? null;
      nodes.push({ ...UNKNOWN, output: image, z: image });
      return;
    }
    const operation = operationOf(layer);
    const inputs = node.inputs.map((i) => nodes[i].output);
    if (!operation || inputs.some((x) => !x)) {
      const { output = null, z = null } = recorded?.nodes[k] ?? {};
      nodes.push({ ...UNKNOWN, output, z });
      return;
    }
    const pass: Pass = { inputs: inputs as Tensor[], parameters: parameters[node.layer], options: layer.options };
    const old = before?.nodes[k];
    if (old?.pass && sameArrays(old.pass, pass)) {
      const { output, z, cache } = old;
      nodes.push({ ...UNKNOWN, output, z, cache, pass });
      return;
    }
    const done = operation.forward(pass, old?.pass && old.z ? { ...old.pass, output: old.z } : undefined);
    const output = layer.activation ? activationForward(done.output, layer.activation) : done.output;
    nodes.push({ ...UNKNOWN, output, z: done.output, cache: done.cache ?? null, pass });
  });
  return { nodes, gradients: record.layers.map(() => new Map()), loss: null };
}

const sameArrays = (a: Pass, b: Pass): boolean =>
  a.parameters === b.parameters && a.inputs.every((x, i) => x === b.inputs[i]);

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

/**
 * The same values with their gradients, run back from the losses; `recorded` ones stand in below a layer it cannot
 * compute. Every gradient is computed when it is first read: a reader sees few of them at a time.
 */
export function backward(network: Network, values: Values, recorded?: Values): Values {
  const { seeds, loss } = lossSeeds(network, values);
  const starts = seeds.length || !recorded ? seeds : recordedSeeds(network.record, recorded);
  const result = propagate(network, values, starts, recorded);
  return { ...result, loss: loss === null ? null : loss + penalty(network) };
}

/** Where no loss can be computed: the gradients that were recorded on the outputs. */
function recordedSeeds(record: ExplainerRecord, recorded: Values): Seed[] {
  return record.outputs.flatMap((node) => {
    const gradient = recorded.nodes[node].d_output;
    return gradient ? [{ node, gradient, before: false }] : [];
  });
}

/** Runs back from one number: the class score (before the last activation) that Grad-CAM and saliency ask about. */
export function backwardFromScore(network: Network, values: Values, node: number, index: number): Values {
  const { output } = values.nodes[node];
  if (!output) return values;
  const gradient = tensor(output.shape);
  gradient.data[index] = 1;
  return propagate(network, values, [{ node, gradient, before: true }]);
}

function propagate({ record, parameters }: Network, values: Values, seeds: Seed[], recorded?: Values): Values {
  const beyond = new Set(record.nodes.flatMap((node) => (operationOf(record.layers[node.layer]) ? [] : node.inputs)));
  const readers = consumersOf(record);
  const seedOf = (k: number): Seed | undefined => seeds.find((seed) => seed.node === k);
  /** Whether the seed lies before the node's activation, so that the pass does not go through it. */
  const skips = (k: number): boolean => {
    const layer = layerOf(record, k);
    return Boolean(seedOf(k)?.before && (layer.activation || isActivationLayer(layer)));
  };

  const d_output = remembered((k: number): Tensor | null => {
    const seed = seedOf(k);
    if (seed && skips(k)) return seed.shown ?? null;
    let sum: Tensor | null = null;
    const add = (d: Tensor | null | undefined): void => {
      if (d) sum = sum ? added(sum, d) : d;
    };
    if (recorded && beyond.has(k)) add(recorded.nodes[k].d_output);
    else for (const { node, input } of readers[k]) add(d_inputs(node)[input]);
    add(seed?.gradient);
    return sum;
  });
  const d_z = remembered((k: number): Tensor | null => {
    const { output, z, pass } = values.nodes[k];
    const { activation, class: kind } = layerOf(record, k);
    if (skips(k)) return activation ? seedOf(k)!.gradient : null;
    const d = d_output(k);
    if (pass && activation) return d && activationBackward(d, z!, output!, activation);
    return pass || !output || !z || kind === 'InputLayer' ? d : null;
  });
  const back = remembered((k: number): Backward | null => {
    const { z, cache, pass } = values.nodes[k];
    const d = d_z(k);
    return pass && z && d && operationOf(layerOf(record, k))!.backward(d, pass, { output: z, cache });
  });
  const d_inputs = remembered((k: number): readonly (Tensor | null)[] => {
    // A softmax layer of its own, taken together with the loss: the gradient goes straight to its input.
    if (skips(k) && !layerOf(record, k).activation) return [seedOf(k)!.gradient];
    return back(k)?.inputs() ?? [];
  });

  const gradients = record.layers.map((layer, i): Gradients => {
    const calls = record.nodes.flatMap((node, k) => (node.layer === i ? [k] : [])).reverse();
    const parts = once(() => calls.map((k) => back(k)?.gradients?.() ?? {}));
    const get = remembered((name: string) => {
      const all = parts().flatMap((part) => part[name] ?? []);
      const settings = layer.parameters.find((p) => p.name === name);
      const w = parameters[i].get(name);
      return all.length && settings && w ? withRegularizer(all.reduce(added), w, settings) : undefined;
    });
    return { get };
  });
  const nodes = values.nodes.map((node, k): NodeValues => ({
    ...node,
    get d_output() {
      return d_output(k);
    },
    get d_z() {
      return d_z(k);
    },
    get d_inputs() {
      return d_inputs(k);
    },
  }));
  return { nodes, gradients, loss: null };
}

const isActivationLayer = (layer: LayerRecord): boolean => ['Softmax', 'Activation'].includes(layer.class);

/** What the regularisers add to the loss. */
function penalty({ record, parameters }: Network): number {
  let sum = 0;
  record.layers.forEach((layer, i) => {
    for (const { name, l1 = 0, l2 = 0 } of layer.parameters)
      if (l1 || l2) sum += parameters[i].get(name)!.data.reduce((total, w) => total + l1 * Math.abs(w) + l2 * w * w, 0);
  });
  return sum;
}
