/** How one gradient is made from the gradients after it: towards an input, through an activation, at a fork. */
import { isElementwise, slopeAt } from '../engine/activations';
import { targetDistribution } from '../engine/losses';
import { merges } from '../engine/merging';
import { consumersOf } from '../engine/network';
import { negated, paddingSources } from '../engine/shaping';
import { type Tensor } from '../engine/tensor';
import { statisticsAt } from './forward';
import {
  cellRect,
  flat,
  indexed,
  inputOf,
  lookAt,
  read,
  shapeOf,
  sumOf,
  unflat,
  type At,
  type Context,
  type Explanation,
  type Line,
  type Term,
} from './types';
import {
  convolution,
  depthwise,
  separable,
  transposed,
  dense,
  pooling,
  upsampling,
  range,
  type InputExplainer,
  type Parts,
} from './backwardSums';

const normalization: InputExplainer = (at, _, index, dy) => {
  const s = statisticsAt(at, index)!;
  const d = read(dy, index);
  const layerwise = at.layer.class === 'LayerNormalization';
  const rects = [cellRect(at.node, shapeOf(at), index)];
  const equation = layerwise ? 'layernorm-dx' : 'batchnorm-dx';
  if (!s.batch) {
    const lines = [
      { label: indexed('dy', index), value: d },
      { label: `· γ[${s.f}]`, value: s.gamma },
      { label: '· 1 / √(σ² + ε)', value: s.inverse },
      { label: 'dx', value: d * s.gamma * s.inverse },
    ];
    return {
      groups: [],
      lines,
      rects,
      equation,
      result: d * s.gamma * s.inverse,
      note: 'In inference μ and σ² are constants, so only one term is left.',
    };
  }
  // In layer normalisation γ differs along the axis that is averaged, so it stays inside the means.
  const gamma = at.parameters.get('gamma')?.data;
  let [meanD, meanDX, count] = [0, 0, 0];
  dy.data.forEach((value, i) => {
    if ((layerwise ? Math.floor(i / s.features) : i % s.features) !== s.k) return;
    const weighted = layerwise ? value * (gamma?.[i % s.features] ?? 1) : value;
    meanD += weighted;
    meanDX += weighted * s.cache.xhat[i];
    count += 1;
  });
  meanD /= count;
  meanDX /= count;
  const own = layerwise ? d * s.gamma : d;
  const factor = layerwise ? s.inverse : s.gamma * s.inverse;
  const g = layerwise ? 'γ·dy' : 'dy';
  const result = factor * (own - meanD - s.xhat * meanDX);
  const lines = [
    { label: `${g}, through x itself`, value: own },
    { label: `− mean(${g}), through μ`, value: -meanD, how: `over ${count} cells` },
    { label: `− x̂ · mean(${g}·x̂), through σ²`, value: -s.xhat * meanDX, how: `x̂ = ${s.xhat.toPrecision(4)}` },
    { label: layerwise ? '· 1 / √(σ² + ε)' : '· γ / √(σ² + ε)', value: factor },
    { label: 'dx', value: result },
  ];
  return { groups: [], lines, rects, equation, result };
};

/** One output passes `factor` of its gradient on. */
function single(at: At, from: number[], d: number, equation: string, factors: Line[] = []): Parts {
  const result = factors.reduce((product, line) => product * line.value, d);
  const lines = [
    { label: indexed('dy', from), value: d },
    ...factors,
    ...(factors.length ? [{ label: 'dx', value: result }] : []),
  ];
  return { groups: [], lines, rects: [cellRect(at.node, shapeOf(at), from)], equation, result };
}

/** Of softmax: `p · (dy − Σ p·dy)`. */
function softmaxGradient(p: Tensor, dy: Tensor, index: number[], node: number): Parts {
  const row = index.slice(0, -1);
  const i = index[index.length - 1];
  const terms = range(p.shape[p.shape.length - 1]).map((k): Term => {
    const [a, b] = [read(p, [...row, k]), read(dy, [...row, k])];
    return {
      a,
      b,
      product: a * b,
      label: `${indexed('p', [...row, k])} · ${indexed('dy', [...row, k])}`,
      from: [...row, k],
    };
  });
  const sum = sumOf(terms);
  const [pi, di] = [terms[i].a, terms[i].b];
  const group = {
    title: 'p·dy',
    names: { a: 'p', b: 'dy', product: 'p·dy' },
    rows: terms.length,
    columns: 1,
    terms,
    sum,
    channel: 0,
  };
  const lines = [
    { label: 'Σ p·dy', value: sum },
    { label: indexed('dy', index), value: di },
    { label: indexed('p', index), value: pi },
    { label: 'p · (dy − Σ p·dy)', value: pi * (di - sum) },
  ];
  return {
    groups: [group],
    lines,
    rects: [{ node, channel: null, top: 0, left: 0, height: 1, width: terms.length }],
    equation: 'softmax-dx',
    result: pi * (di - sum),
  };
}

/** Where the last activation and the cross-entropy are taken together: `p − t`. */
function fusedGradient(at: At, index: number[]): Parts | null {
  const k = at.context.record.losses.findIndex((loss) => loss.node === at.node && loss.fused);
  if (k < 0) return null;
  const loss = at.context.record.losses[k];
  const target = at.context.targets[k];
  const p = at.context.values.nodes[at.node].output;
  if (!target || !p) return null;
  const n = p.data.length;
  const t = targetDistribution(loss.class, target, n, loss.options.label_smoothing ?? 0);
  const i = flat(p.shape, index);
  const share = loss.weight / (loss.class === 'BinaryCrossentropy' ? n : 1);
  const lines: Line[] = [
    { label: `p[${i}]`, value: p.data[i] },
    { label: `− t[${i}]`, value: -t.data[i], how: t.data[i] ? 'the true class' : 'not the true class' },
    ...(share === 1 ? [] : [{ label: '· weight', value: share }]),
    { label: share === 1 ? 'p − t' : '(p − t) · weight', value: (p.data[i] - t.data[i]) * share },
  ];
  return {
    groups: [],
    lines,
    rects: [cellRect(at.node, p.shape, index)],
    equation: 'p-minus-t',
    result: (p.data[i] - t.data[i]) * share,
  };
}

const activation: InputExplainer = (at, _, index, dy) => {
  const x = inputOf(at)!;
  const y = at.context.values.nodes[at.node].output!;
  if (!isElementwise(at.options.name)) return softmaxGradient(y, dy, index, at.node);
  const slope = slopeAt(read(x, index), read(y, index), at.options as never);
  return single(at, index, read(dy, index), 'activation-dx', [
    { label: `· ${at.options.name}′(x)`, value: slope, how: `x = ${read(x, index).toPrecision(4)}` },
  ]);
};

const merging =
  (name: string): InputExplainer =>
  (at, input, index, dy) => {
    const values = at.inputs.map((_, k) => read(inputOf(at, k), index));
    return single(at, index, read(dy, index), 'merge-dx', [
      { label: `· slope of ${name}`, value: merges.get(name)!.slope(values, input) },
    ]);
  };

const concatenation: InputExplainer = (at, input, index, dy) => {
  const before = at.inputs.slice(0, input).reduce((sum, from) => sum + shapeOf(at, from)[index.length - 1], 0);
  const from = [...index.slice(0, -1), index[index.length - 1] + before];
  return single(at, from, read(dy, from), 'copy-dx');
};

const padding =
  (direction: 1 | -1): InputExplainer =>
  (at, _, index, dy) => {
    const shape = shapeOf(at, at.inputs[0]);
    const { source, shape: outer } = paddingSources(
      shape,
      direction === 1 ? at.options.pads : negated(at.options.pads),
    );
    const o = source.indexOf(flat(shape, index));
    if (o < 0)
      return {
        groups: [],
        lines: [],
        rects: [],
        equation: 'copy-dx',
        result: 0,
        note: 'This cell is cropped away, so no gradient reaches it.',
      };
    const from = unflat(outer, o);
    return single(at, from, read(dy, from), 'copy-dx');
  };

const reshaping: InputExplainer = (at, _, index, dy) => {
  const from = unflat(dy.shape, flat(shapeOf(at, at.inputs[0]), index));
  return single(at, from, read(dy, from), 'copy-dx');
};

const rescaling: InputExplainer = (at, _, index, dy) => {
  const { scale } = at.options;
  const value = Array.isArray(scale) ? scale[index[index.length - 1] % scale.length] : scale;
  return single(at, index, read(dy, index), 'rescaling-dx', [{ label: '· scale', value }]);
};

const passed: InputExplainer = (at, _, index, dy) => single(at, index, read(dy, index), 'copy-dx');

const explainers = new Map<string, InputExplainer>([
  ['Conv2D', convolution],
  ['DepthwiseConv2D', depthwise],
  ['SeparableConv2D', separable],
  ['Conv2DTranspose', transposed],
  ['Dense', dense],
  ['MaxPooling2D', pooling('max')],
  ['GlobalMaxPooling2D', pooling('max')],
  ['AveragePooling2D', pooling('mean')],
  ['GlobalAveragePooling2D', pooling('mean')],
  ['BatchNormalization', normalization],
  ['LayerNormalization', normalization],
  ...['Activation', 'ReLU', 'LeakyReLU', 'ELU', 'Softmax'].map((name): [string, InputExplainer] => [name, activation]),
  ...['Dropout', 'SpatialDropout2D', 'RandomFlip', 'RandomTranslation', 'RandomRotation', 'RandomZoom'].map(
    (name): [string, InputExplainer] => [name, passed],
  ),
  ['Flatten', reshaping],
  ['Reshape', reshaping],
  ['ZeroPadding2D', padding(1)],
  ['Cropping2D', padding(-1)],
  ['UpSampling2D', upsampling],
  ['Rescaling', rescaling],
  ['Concatenate', concatenation],
  ...[...merges.keys()].map((name): [string, InputExplainer] => [name, merging(name)]),
]);

const unknown = (target: string, note: string): Explanation => ({
  target,
  groups: [],
  lines: [],
  rects: [],
  equation: 'other',
  result: NaN,
  note,
});

/** The gradient that node `consumer` sends to cell `index` of its input number `input`. */
export function explainInputGradient(context: Context, consumer: number, input: number, index: number[]): Explanation {
  const at = lookAt(context, consumer);
  const target = indexed('dx', index);
  const explain = explainers.get(at.layer.class);
  if (!explain || at.options.unsupported)
    return unknown(target, `The page does not compute the gradient of ${at.layer.class}.`);
  if (!at.layer.activation) {
    const fused = fusedGradient(at, index);
    if (fused) return { target, ...fused };
  }
  const { d_z } = context.values.nodes[consumer];
  if (!d_z || at.inputs.some((from) => !context.values.nodes[from].output))
    return unknown(target, 'No gradient is known here: no label was given.');
  return { target, ...explain(at, input, index, d_z) };
}

/** The gate inside a layer: `dz = dy · f′(z)`, or `p − t` where the loss takes the activation along. */
export function explainGate(context: Context, node: number, index: number[]): Explanation {
  const at = lookAt(context, node);
  const target = indexed('dz', index);
  const fused = fusedGradient(at, index);
  if (fused) return { target, ...fused };
  const { output, z, d_output } = context.values.nodes[node];
  if (!at.layer.activation || !output || !z || !d_output)
    return unknown(target, 'There is no activation inside this layer.');
  if (!isElementwise(at.layer.activation.name)) return { target, ...softmaxGradient(output, d_output, index, node) };
  const slope = slopeAt(read(z, index), read(output, index), at.layer.activation);
  const factor = {
    label: `· ${at.layer.activation.name}′(z)`,
    value: slope,
    how: `z = ${read(z, index).toPrecision(4)}`,
  };
  const parts = single(at, index, read(d_output, index), 'activation-dx', [factor]);
  return {
    target,
    ...parts,
    lines: parts.lines.map((line) => (line.label === 'dx' ? { ...line, label: 'dz' } : line)),
  };
}

/** The gradient of a cell that several layers read: the sum of what each of them sends back. */
export function explainFork(context: Context, node: number, index: number[]): Explanation {
  const consumers = consumersOf(context.record)[node];
  const lines = consumers.map(({ node: k, input }, i) => ({
    label: `${i ? '+ ' : ''}from ${context.record.nodes[k].name}`,
    value: read(context.values.nodes[k].d_inputs[input], index),
  }));
  const result = lines.reduce((sum, line) => sum + line.value, 0);
  return {
    target: indexed('dx', index),
    groups: [],
    lines: [...lines, { label: 'Σ at the fork', value: result }],
    rects: [],
    equation: 'fork',
    result,
  };
}
