/** What the page shows and what the reader has chosen. One instance, made once the record is read. */
import { tick } from 'svelte';
import { backward, consumersOf, forward, layerOf, operationOf, type Network, type Values } from '../engine/network';
import { largestDifference, tensor, type Tensor } from '../engine/tensor';
import { unflat, type Context } from '../explain/types';
import type { ExplainerRecord } from '../record/format';

export type View = 'network' | 'layer' | 'loss' | 'walk' | 'why' | 'training' | 'trust' | 'code';
export type Mode = 'forward' | 'input' | 'gate' | 'weight' | 'table';
export type Quantity = 'activations' | 'gradients';

export interface WeightChoice {
  name: string;
  index: number[];
}

function recordedValues(record: ExplainerRecord, tensors: Tensor[]): Values {
  const get = (ref: number | null) => (ref === null ? null : tensors[ref]);
  return {
    nodes: record.nodes.map((node) => {
      const output = get(node.output);
      const z = get(node.z) ?? (record.layers[node.layer].activation ? null : output);
      return { output, z, d_output: get(node.d_output), d_z: get(node.d_z), d_inputs: [], cache: null, pass: null };
    }),
    gradients: record.layers.map((layer) => {
      const known = layer.parameters.flatMap(({ name, gradient }): [string, Tensor][] =>
        gradient === null ? [] : [[name, tensors[gradient]]],
      );
      return new Map(known);
    }),
    loss: record.loss,
  };
}

/** Recorded numbers where there are any, the engine's elsewhere. */
function merged(recorded: Values, computed: Values): Values {
  return {
    nodes: computed.nodes.map((node, k) => {
      const known = recorded.nodes[k];
      return {
        output: known.output ?? node.output,
        z: known.z ?? node.z,
        get d_output() {
          return known.d_output ?? node.d_output;
        },
        get d_z() {
          return known.d_z ?? node.d_z;
        },
        get d_inputs() {
          return node.d_inputs;
        },
        cache: node.cache,
        pass: node.pass,
      };
    }),
    gradients: computed.gradients.map((sums, i) => ({
      get: (name) => recorded.gradients[i].get(name) ?? sums.get(name),
    })),
    loss: recorded.loss ?? computed.loss,
  };
}

export interface Difference {
  name: string;
  quantity: string;
  difference: number;
  /** The largest number of the array. */
  scale: number;
  /** The difference in units of that number; an array that is all but zero is measured by its like. */
  relative: number;
}

export class App {
  readonly record: ExplainerRecord;
  readonly tensors: Tensor[];
  readonly recorded: Values;
  /** The same numbers computed here, before any change by the reader. */
  readonly computed: Values;
  readonly unchanged: Values;
  readonly consumers: { node: number; input: number }[][];
  readonly targets: (Tensor | null)[];
  readonly startImages: Map<number, Tensor>;
  /** The engine's last pass: the next one keeps what has not changed since. */
  private latest: Values;
  private readonly startParameters: Map<string, Tensor>[];

  values = $state.raw<Values>() as Values;
  parameters = $state.raw<Map<string, Tensor>[]>([]);
  images = $state.raw<Map<number, Tensor>>(new Map());
  label = $state<number | null>(null);
  edits = $state<string[]>([]);
  milliseconds = $state(0);

  view = $state<View>('network');
  mode = $state<Mode>('forward');
  quantity = $state<Quantity>('activations');
  node = $state(0);
  cell = $state<number[]>([0]);
  input = $state(0);
  inputCell = $state<number[]>([0]);
  weight = $state<WeightChoice>({ name: 'kernel', index: [] });
  pixel = $state<{ node: number; index: number[] }>({ node: 0, index: [0] });
  digits = $state(3);
  dark = $state(typeof matchMedia !== 'undefined' && matchMedia('(prefers-color-scheme: dark)').matches);
  whatIf = $state(false);
  /** The function whose code is shown, and the view it was opened from. */
  source = $state<string | null>(null);
  before = $state<View>('network');

  constructor(record: ExplainerRecord, tensors: Tensor[]) {
    this.record = record;
    this.tensors = tensors;
    this.consumers = consumersOf(record);
    this.recorded = recordedValues(record, tensors);
    this.targets = record.losses.map((loss) => tensors[loss.target]);
    this.startParameters = record.layers.map(
      (layer) => new Map(layer.parameters.map(({ name, value }) => [name, tensors[value]])),
    );
    this.startImages = new Map();
    record.nodes.forEach((node, k) => {
      const image = this.recorded.nodes[k].output;
      if (record.layers[node.layer].class === 'InputLayer' && image) this.startImages.set(k, image);
    });
    this.label = record.label;
    this.parameters = this.startParameters;
    this.images = this.startImages;
    const network = this.network();
    this.computed = backward(network, forward(network, this.startImages, this.recorded), this.recorded);
    this.latest = this.computed;
    this.unchanged = merged(this.recorded, this.computed);
    this.values = this.unchanged;
    this.pixel = this.brightest();
    this.choose(Math.min(1, record.nodes.length - 1));
  }

  get context(): Context {
    return { record: this.record, parameters: this.parameters, targets: this.currentTargets(), values: this.values };
  }

  private network(): Network {
    return { record: this.record, parameters: this.parameters, targets: this.currentTargets() };
  }

  /** The recorded targets, or those of the label that the reader chose. */
  private currentTargets(): (Tensor | null)[] {
    const { label } = this;
    if (label === this.record.label || label === null) return this.targets;
    return this.record.losses.map((loss, i) => {
      const target = this.targets[i];
      if (!target) return null;
      if (loss.class === 'SparseCategoricalCrossentropy' || target.data.length === 1)
        return tensor(
          target.shape,
          target.data.map(() => label),
        );
      return tensor(
        target.shape,
        target.data.map((_, k) => (k === label ? 1 : 0)),
      );
    });
  }

  private brightest(): { node: number; index: number[] } {
    const [first] = [...this.startImages];
    if (!first) return { node: 0, index: [0] };
    const [node, image] = first;
    const shape = image.shape;
    const gradient = this.unchanged.nodes[node].d_output ?? image;
    const best = gradient.data.reduce((top, value, i) => (Math.abs(value) > Math.abs(gradient.data[top]) ? i : top), 0);
    return { node, index: unflat(shape, best) };
  }

  layer(node = this.node) {
    return layerOf(this.record, node);
  }

  name(node: number): string {
    return this.record.nodes[node].name;
  }

  supported(node: number): boolean {
    return this.layer(node).class === 'InputLayer' || operationOf(this.layer(node)) !== undefined;
  }

  /** The first node that what-if cannot pass, or null. */
  get barrier(): number | null {
    const found = this.record.nodes.findIndex((_, k) => !this.supported(k));
    return found < 0 ? null : found;
  }

  /** Turns to a node, to the largest number of it or of one channel. */
  choose(node: number, channel?: number): void {
    this.node = node;
    const { shape, inputs } = this.record.nodes[node];
    this.cell = peak(shape, channel, this.values.nodes[node].output);
    this.input = 0;
    this.inputCell = inputs.length
      ? peak(this.record.nodes[inputs[0]].shape, undefined, this.values.nodes[inputs[0]].output)
      : [0];
    const parameter = this.layer(node).parameters.find((p) => p.trainable);
    this.weight = {
      name: parameter?.name ?? '',
      index: parameter ? this.steepest(this.record.nodes[node].layer, parameter.name, channel) : [],
    };
    if (!this.modes.includes(this.mode)) this.mode = 'forward';
  }

  /** The element of a parameter whose gradient is largest; of one filter, where it is given. */
  steepest(layer: number, name: string, filter?: number): number[] {
    const { shape, data } = this.values.gradients[layer].get(name) ?? this.parameters[layer].get(name)!;
    const filters = shape.at(-1)!;
    const first = filter !== undefined && filter < filters ? filter : 0;
    let best = first;
    for (let i = first; i < data.length; i += filter === undefined ? 1 : filters)
      if (Math.abs(data[i]) > Math.abs(data[best])) best = i;
    return unflat(shape, best);
  }

  /** The library's functions that compute what a panel shows, by the key of the panel's equation. */
  functions(equation: string): string[] {
    const { functions, activation } = this.layer();
    if (Object.hasOwn(this.record.functions, equation)) return this.record.functions[equation];
    if (equation === 'p-minus-t')
      return this.record.losses.filter(({ node }) => node === this.node).flatMap((loss) => loss.functions.backward);
    if (activation && /^(activation|softmax)-dx$/.test(equation)) return functions.gate;
    return /-d[xw]$/.test(equation) ? functions.backward : functions.forward;
  }

  showSource(address: string): void {
    if (this.view !== 'code') this.before = this.view;
    this.source = address;
    this.view = 'code';
  }

  /** Turns to the code that a link names, within the page; with a key held the browser opens a page of its own. */
  follow(event: MouseEvent, address: string): void {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.showSource(address);
    location.hash = address;
  }

  open(node: number, channel?: number): void {
    this.choose(node, channel);
    this.view = 'layer';
  }

  /** What there is to see of the chosen layer. */
  get modes(): Mode[] {
    const layer = this.layer();
    const known = this.values.nodes[this.node].d_output || this.values.nodes[this.node].d_z;
    const modes: Mode[] = ['forward'];
    if (known && this.record.nodes[this.node].inputs.length) modes.push('input');
    if (known && layer.activation) modes.push('gate');
    if (known && layer.parameters.some((p) => p.trainable)) modes.push('weight');
    modes.push('table');
    return modes;
  }

  get changed(): boolean {
    return this.edits.length > 0;
  }

  /** Where a number on the page comes from. */
  origin(node: number, quantity: 'output' | 'd_output' | 'd_z'): string {
    if (this.changed) return 'recomputed';
    return this.recorded.nodes[node][quantity] ? 'recorded' : 'computed here';
  }

  private recompute(): void {
    const start = performance.now();
    const network = this.network();
    this.latest = backward(network, forward(network, this.images, undefined, this.latest));
    this.values = this.latest;
    tick().then(() => (this.milliseconds = performance.now() - start));
  }

  private note(edit: string): void {
    if (!this.edits.includes(edit)) this.edits = [...this.edits, edit];
    this.recompute();
  }

  setImage(node: number, image: Tensor): void {
    this.images = new Map(this.images).set(node, image);
    this.note(`the image of ${this.name(node)}`);
  }

  setLabel(label: number): void {
    this.label = label;
    this.note('the label');
  }

  setWeight(layer: number, name: string, index: number, value: number): void {
    this.replaceParameter(layer, name, (data) => (data[index] = value));
    this.note(`${this.record.layers[layer].name}/${name}`);
  }

  /** Sets all weights of one filter (or unit), and its bias, to zero. */
  blank(layer: number, filter: number): void {
    for (const { name } of this.record.layers[layer].parameters) {
      if (name.startsWith('moving')) continue;
      const n = this.parameters[layer].get(name)!.shape.at(-1)!;
      this.replaceParameter(layer, name, (data) => {
        for (let i = filter % n; i < data.length; i += n) data[i] = 0;
      });
    }
    this.note(`filter ${filter} of ${this.record.layers[layer].name}`);
  }

  private replaceParameter(layer: number, name: string, change: (data: Float64Array) => void): void {
    const before = this.parameters[layer].get(name)!;
    const after = tensor(before.shape, before.data);
    change(after.data);
    this.parameters = this.parameters.map((map, i) => (i === layer ? new Map(map).set(name, after) : map));
  }

  reset(): void {
    this.edits = [];
    this.images = this.startImages;
    this.parameters = this.startParameters;
    this.label = this.record.label;
    this.latest = this.computed;
    this.values = this.unchanged;
  }

  /** Recorded beside recomputed, before any change by the reader: the largest difference of each array. */
  differences(): Difference[] {
    const found: Difference[] = [];
    const compare = (name: string, quantity: string, a: Tensor | null | undefined, b: Tensor | null | undefined) => {
      if (!a || !b || a === b) return;
      const scale = a.data.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
      found.push({ name, quantity, difference: largestDifference(a, b), scale, relative: 0 });
    };
    this.record.nodes.forEach((node, k) => {
      if (!this.supported(k)) return;
      const [a, b] = [this.recorded.nodes[k], this.computed.nodes[k]];
      for (const quantity of ['output', 'd_output'] as const) compare(node.name, quantity, a[quantity], b[quantity]);
    });
    this.record.layers.forEach((layer, i) => {
      for (const { name } of layer.parameters)
        compare(
          layer.name,
          `gradient of ${name}`,
          this.recorded.gradients[i].get(name),
          this.computed.gradients[i].get(name),
        );
    });
    const typical = (output: boolean) =>
      Math.max(...found.filter((d) => (d.quantity === 'output') === output).map((d) => d.scale), 0);
    const scales = { output: typical(true), gradient: typical(false) };
    for (const d of found)
      d.relative =
        d.difference / Math.max(d.scale, 0.01 * scales[d.quantity === 'output' ? 'output' : 'gradient'], 1e-30);
    return found;
  }
}

/** Where a tensor (or one channel of it) is largest. */
function peak(shape: number[], channel: number | undefined, x: Tensor | null): number[] {
  if (channel !== undefined && shape.length === 1) return [channel];
  const inChannel = (i: number): boolean => shape.length < 3 || i % shape[2] === (channel ?? 0);
  const best = x ? x.data.reduce((top, value, i) => (inChannel(i) && value > x.data[top] ? i : top), channel ?? 0) : 0;
  return unflat(shape, best);
}
