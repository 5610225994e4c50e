import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { backward, consumersOf, forward, type Network } from '../src/engine/network';
import { largestDifference, largestMagnitude, sizeOf, type Tensor } from '../src/engine/tensor';
import { explainFork, explainGate, explainInputGradient } from '../src/explain/backward';
import { explainForward } from '../src/explain/forward';
import { explainLoss, walk } from '../src/explain/loss';
import { read, unflat, type Context } from '../src/explain/types';
import { explainWeight } from '../src/explain/weights';
import { gradCam, receptiveField, saliency, scorePass, stretched } from '../src/explain/why';
import { readTensors } from '../src/record/decode';
import type { ExplainerRecord } from '../src/record/format';

const record: ExplainerRecord = JSON.parse(readFileSync(new URL('./golden/network.json', import.meta.url), 'utf8'));
const tensors = await readTensors(record);
const parameters = record.layers.map(
  (layer) => new Map(layer.parameters.map(({ name, value }) => [name, tensors[value]])),
);
const targets = record.losses.map((loss) => tensors[loss.target]);
const network: Network = { record, parameters, targets };
const images = new Map([[0, tensors[record.nodes[0].output!]]]);
const values = backward(network, forward(network, images));
const context: Context = { record, parameters, targets, values };
const consumers = consumersOf(record);

/** A few cells of every array, always the same. */
function cells(shape: readonly number[], count = 7): number[][] {
  const size = sizeOf(shape);
  return Array.from({ length: Math.min(count, size) }, (_, i) =>
    unflat(shape, Math.floor(((i * 0.618034 + 0.05) % 1) * size)),
  );
}

function expectNear(actual: number, expected: number, scale: number, tolerance: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(tolerance * Math.max(scale, 1e-12));
}

function expectRecorded(computed: Tensor | null | undefined, ref: number | null): void {
  if (ref === null) return;
  expect(computed?.shape).toEqual(tensors[ref].shape);
  expect(largestDifference(computed!, tensors[ref])).toBeLessThanOrEqual(
    1e-6 * Math.max(largestMagnitude(tensors[ref].data), 0.1),
  );
}

describe('a network of most kinds of layers', () => {
  it.each(record.nodes.map((node, k) => [node.name, k] as const))(
    '%s: computed as recorded, forward and back',
    (_, k) => {
      const [node, at] = [record.nodes[k], values.nodes[k]];
      expectRecorded(at.output, node.output);
      expectRecorded(at.z, node.z);
      expectRecorded(at.d_output, node.d_output);
      expectRecorded(at.d_z, node.d_z);
    },
  );

  it.each(
    record.layers.flatMap((layer, i) =>
      layer.parameters.map((p) => [`${layer.name}/${p.name}`, i, p.name, p.gradient] as const),
    ),
  )('%s: its gradient as recorded', (_, i, name, gradient) => expectRecorded(values.gradients[i].get(name), gradient));

  it('has the recorded loss', () => {
    expect(values.loss).toBeCloseTo(record.loss!, 5);
    expect(explainLoss(context, 0)!.value).toBeCloseTo(record.data_loss!, 5);
  });
});

describe('what is written out', () => {
  it.each(record.nodes.map((node, k) => [node.name, k] as const))('%s: adds up to the output', (_, k) => {
    const { output } = values.nodes[k];
    for (const cell of cells(record.nodes[k].shape))
      expectNear(explainForward(context, k, cell).result, read(output, cell), largestMagnitude(output!.data), 1e-12);
  });

  const edges = record.nodes.flatMap((node, k) =>
    node.inputs.map((from, input) => [node.name, k, input, from] as const),
  );
  it.each(edges)('%s: adds up to the gradient of input %#', (_, k, input, from) => {
    const d = values.nodes[k].d_inputs[input]!;
    for (const cell of cells(record.nodes[from].shape))
      expectNear(explainInputGradient(context, k, input, cell).result, read(d, cell), largestMagnitude(d.data), 1e-12);
  });

  it.each(record.nodes.flatMap((node, k) => (record.layers[node.layer].activation ? [[node.name, k] as const] : [])))(
    '%s: the gate',
    (_, k) => {
      const { d_z } = values.nodes[k];
      for (const cell of cells(record.nodes[k].shape))
        expectNear(explainGate(context, k, cell).result, read(d_z, cell), largestMagnitude(d_z!.data), 1e-12);
    },
  );

  it.each(record.nodes.flatMap((node, k) => (consumers[k].length > 1 ? [[node.name, k] as const] : [])))(
    '%s: the fork',
    (_, k) => {
      const { d_output } = values.nodes[k];
      for (const cell of cells(record.nodes[k].shape))
        expectNear(explainFork(context, k, cell).result, read(d_output, cell), largestMagnitude(d_output!.data), 1e-12);
    },
  );

  const weights = record.layers.flatMap((layer, i) =>
    layer.parameters.filter((p) => p.trainable).map((p) => [`${layer.name}/${p.name}`, i, p.name] as const),
  );
  it.each(weights)('%s: adds up to the gradient of the weight', (name, i, parameter) => {
    const dw = values.gradients[i].get(parameter)!;
    for (const cell of cells(dw.shape)) {
      const explanation = explainWeight(context, i, parameter, cell);
      expectNear(explanation.result, read(dw, cell), largestMagnitude(dw.data), 1e-12);
      expect(explanation.groups.length, name).toBe(record.nodes.filter((node) => node.layer === i).length);
    }
  });

  it('walks from a pixel to the loss', () => {
    const links = walk(context, 0, [4, 5, 1]);
    expect(links[0]).toMatchObject({ node: 0, index: [4, 5, 1] });
    expect(links.at(-1)!.node).toBe(record.outputs[0]);
    for (const link of links) expect(link.gradient).toBe(read(values.nodes[link.node].d_output, link.index));
  });
});

describe('why this answer', () => {
  const nudge = 1e-5;
  const score = (changed: Tensor): number => {
    const { z } = forward(network, new Map([[0, changed]])).nodes[record.outputs[0]];
    return z!.data[2];
  };

  it('has the numeric gradient of the score', () => {
    const d = scorePass(network, images, 2).nodes[0].d_output!;
    const image = images.get(0)!;
    for (const i of [3, 77, 150, 200]) {
      const moved = (by: number): Tensor => ({
        shape: image.shape,
        data: image.data.map((v, k) => (k === i ? v + by : v)),
      });
      expect(d.data[i]).toBeCloseTo((score(moved(nudge)) - score(moved(-nudge))) / (2 * nudge), 5);
    }
    expect(saliency(d).data[0]).toBe(Math.max(...[...d.data.slice(0, 3)].map(Math.abs)));
  });

  it('weighs maps by their mean gradient', () => {
    const activation = { shape: [1, 2, 2], data: Float64Array.of(1, -2, 3, 4) };
    const gradient = { shape: [1, 2, 2], data: Float64Array.of(0.5, 1, 1.5, -3) };
    const { weights, map } = gradCam(activation, gradient);
    expect(weights).toEqual([1, -1]);
    expect([...map.data]).toEqual([3, 0]);
    expect([...stretched(map, 1, 4).data]).toEqual([3, 2.25, 0.75, 0]);
  });

  it('sees no gradient outside the receptive field, and some in its corners', () => {
    const k = record.nodes.findIndex((node) => node.name === 'shared:1');
    const cell = [2, 3, 1];
    const region = receptiveField(record, k, cell)[0]!;
    // Three 3-wide windows with stride (2, 1) on the first, cut at the edge.
    expect(region).toEqual({ rows: [0, 9 - 1], columns: [0, 6] });
  });
});
