import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { operations, type Pass } from '../src/engine/layers';
import { backward, forward, type Values } from '../src/engine/network';
import { tensor, type Tensor } from '../src/engine/tensor';
import { readTensors } from '../src/record/decode';
import type { ExplainerRecord } from '../src/record/format';
import { App } from '../src/ui/app.svelte';

const golden = (file: string) => JSON.parse(readFileSync(new URL(`./golden/${file}.json`, import.meta.url), 'utf8'));
const record: ExplainerRecord = golden('network');
const tensors = await readTensors(record);

/** All numbers of a pass, gradients included. */
function numbersOf(values: Values) {
  const read = (x: Tensor | null | undefined) => x && { shape: [...x.shape], data: x.data };
  return {
    loss: values.loss,
    nodes: values.nodes.map(({ output, z, d_output, d_z, d_inputs }) =>
      [output, z, d_output, d_z, ...d_inputs].map(read),
    ),
    gradients: record.layers.map((layer, i) => layer.parameters.map(({ name }) => read(values.gradients[i].get(name)))),
  };
}

/** The page's numbers are those of a pass from nothing, to the last bit. */
function expectWhole(app: App): void {
  const { parameters, targets } = app.context;
  const network = { record, parameters, targets };
  expect(numbersOf(app.values)).toEqual(numbersOf(backward(network, forward(network, app.images))));
}

function random(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * n);
  };
}

describe('after any changes the page shows what a pass from nothing gives', () => {
  const weighty = record.layers.flatMap((layer, i) => (layer.parameters.length ? [i] : []));

  function edit(app: App, below: (n: number) => number): void {
    const layer = weighty[below(weighty.length)];
    const { name } = record.layers[layer].parameters[below(record.layers[layer].parameters.length)];
    const parameter = app.parameters[layer].get(name)!;
    const [node, image] = [...app.images][below(app.images.size)];
    switch (below(8)) {
      case 0:
        return app.reset();
      case 1:
        return app.blank(layer, below(parameter.shape.at(-1)!));
      case 2:
        return app.setLabel(below(record.nodes[record.outputs[0]].shape.at(-1)!));
      case 3:
      case 4: {
        const next = tensor(image.shape, image.data);
        for (let k = 0; k <= below(3); k++) next.data[below(next.data.length)] = below(100) / 50 - 1;
        return app.setImage(node, next);
      }
      default:
        return app.setWeight(layer, name, below(parameter.data.length), 0.1 + below(100) / 50);
    }
  }

  it.each([1, 2, 3])(
    'edits at random, sequence %d',
    (seed) => {
      const app = new App(record, tensors);
      const below = random(seed);
      for (let step = 0; step < 20; step++) {
        edit(app, below);
        if (app.changed) expectWhole(app);
      }
    },
    60_000,
  );

  it('computes again only what follows a change', () => {
    const app = new App(record, tensors);
    const last = record.nodes.findLastIndex((node) => record.layers[node.layer].class === 'Dense');
    app.setWeight(record.nodes[last].layer, 'bias', 0, 2);
    app.values.nodes.forEach(({ output }, k) => {
      if (k < last) expect(output).toBe(app.computed.nodes[k].output);
    });
    expect(app.values.nodes[last].output).not.toEqual(app.computed.nodes[last].output);
  });

  it('undoes all of it', () => {
    const app = new App(record, tensors);
    const before = numbersOf(app.values);
    app.blank(weighty[0], 0);
    expect(numbersOf(app.values)).not.toEqual(before);
    app.reset();
    expect(numbersOf(app.values)).toEqual(before);
  });
});

interface Case {
  name: string;
  class: string;
  options: Record<string, unknown>;
  inputs: { shape: number[]; data: number[] }[];
  parameters: Record<string, { shape: number[]; data: number[] }>;
}

describe.each([...golden('kernels'), ...golden('layers')].filter((one: Case) => one.class === 'Conv2D') as Case[])(
  'a convolution that knows what was there before: $name',
  (one) => {
    const operation = operations.get('Conv2D')!;
    const parameters = new Map(Object.entries(one.parameters).map(([name, p]) => [name, tensor(p.shape, p.data)]));
    const [x] = one.inputs.map((p) => tensor(p.shape, p.data));
    const pass: Pass = { inputs: [x], parameters, options: one.options };
    const before = { ...pass, ...operation.forward(pass) };
    const changed = (a: Tensor, i: number) =>
      tensor(
        a.shape,
        a.data.map((v, k) => (k === i ? v + 0.7 : v)),
      );
    const expectSame = (now: Pass) => expect(operation.forward(now, before)).toEqual(operation.forward(now));

    it('any pixel', () => {
      for (let i = 0; i < x.data.length; i++) expectSame({ ...pass, inputs: [changed(x, i)] });
    });

    it('any weight, any bias', () => {
      for (const [name, a] of parameters)
        for (let i = 0; i < a.data.length; i++)
          expectSame({ ...pass, parameters: new Map(parameters).set(name, changed(a, i)) });
    });

    it('both', () => {
      const w = changed(parameters.get('kernel')!, 1);
      expectSame({ ...pass, inputs: [changed(x, 2)], parameters: new Map(parameters).set('kernel', w) });
    });
  },
);
