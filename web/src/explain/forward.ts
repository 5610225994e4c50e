/** How one number of a layer's output is made from the numbers before it. */
import { activationForward } from '../engine/activations';
import { negated, paddingSources } from '../engine/shaping';
import { type NormalizationCache } from '../engine/normalization';
import { type Tensor } from '../engine/tensor';
import {
  cellRect,
  flat,
  indexed,
  inputOf,
  lookAt,
  outputOf,
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
  empty,
  type Explainer,
  type Parts,
} from './forwardSums';

/** The mean, variance and so on that apply to one number: by feature, or (layer normalisation) by row. */
export function statisticsAt(at: At, index: number[]) {
  const cache = at.context.values.nodes[at.node].cache as NormalizationCache | null;
  const x = inputOf(at);
  if (!cache || !x) return null;
  const features = x.shape[x.shape.length - 1];
  const position = flat(x.shape, index);
  const f = position % features;
  const k = at.layer.class === 'LayerNormalization' ? Math.floor(position / features) : f;
  return {
    x: x.data[position],
    mean: cache.mean[k],
    variance: cache.variance[k],
    inverse: cache.inverse[k],
    xhat: cache.xhat[position],
    gamma: at.parameters.get('gamma')?.data[f] ?? 1,
    beta: at.parameters.get('beta')?.data[f] ?? 0,
    batch: cache.batch,
    f,
    k,
    features,
    cache,
  };
}

const normalization: Explainer = (at, index) => {
  const s = statisticsAt(at, index);
  const equation = at.layer.class === 'LayerNormalization' ? 'layernorm' : 'batchnorm';
  if (!s) return empty(equation);
  const which =
    equation === 'layernorm'
      ? 'of this position'
      : s.batch
        ? `of this image, channel ${s.f}`
        : `moving, channel ${s.f}`;
  const lines: Line[] = [
    { label: indexed('x', index), value: s.x },
    { label: `μ, ${which}`, value: s.mean },
    { label: `σ², ${which}`, value: s.variance },
    { label: 'x̂ = (x − μ) / √(σ² + ε)', value: s.xhat, how: `ε = ${at.options.epsilon}` },
    { label: `γ[${s.f}]`, value: s.gamma },
    { label: `β[${s.f}]`, value: s.beta },
    { label: 'y = γ·x̂ + β', value: s.gamma * s.xhat + s.beta },
  ];
  return {
    groups: [],
    lines,
    rects: [cellRect(at.inputs[0], shapeOf(at, at.inputs[0]), index)],
    equation,
    result: s.gamma * s.xhat + s.beta,
  };
};

/** Lines for softmax: exponentials of all scores, their sum, and the share of one. */
function softmaxParts(z: Tensor, index: number[], name: string): Parts {
  const n = z.shape[z.shape.length - 1];
  const row = index.slice(0, -1);
  const i = index[index.length - 1];
  const scores = Array.from({ length: n }, (_, k) => read(z, [...row, k]));
  const largest = Math.max(...scores);
  const terms = scores.map((a, k): Term => ({
    a,
    b: 1,
    product: Math.exp(a - largest),
    label: indexed('z', [...row, k]),
  }));
  const sum = sumOf(terms);
  const group = {
    title: `${n} scores`,
    names: { a: 'z', b: '', product: 'exp(z − max)' },
    rows: n,
    columns: 1,
    terms,
    sum,
    channel: 0,
  };
  const p = terms[i].product / sum;
  const lines = [
    { label: 'max z', value: largest },
    { label: 'Σ exp(z − max)', value: sum },
    { label: `exp(z[${i}] − max)`, value: terms[i].product },
    { label: `p[${i}] = exp / Σ`, value: p },
    ...(name === 'log_softmax' ? [{ label: `log p[${i}]`, value: Math.log(p) }] : []),
  ];
  return { groups: [group], lines, rects: [], equation: 'softmax', result: name === 'softmax' ? p : Math.log(p) };
}

/** A number that is copied from one cell of one input. */
function copied(at: At, k: number, source: number[], equation: string): Parts {
  const x = inputOf(at, k);
  const value = read(x, source);
  return {
    groups: [],
    lines: [{ label: indexed('x', source), value }],
    rects: [cellRect(at.inputs[k], shapeOf(at, at.inputs[k]), source)],
    equation,
    result: value,
  };
}

const activation: Explainer = (at, index) => {
  const x = inputOf(at);
  if (!x) return empty('activation');
  const name: string = at.options.name;
  if (name.endsWith('softmax')) {
    const parts = softmaxParts(x, index, name);
    return {
      ...parts,
      rects: [{ node: at.inputs[0], channel: null, top: 0, left: 0, height: 1, width: x.data.length }],
    };
  }
  const parts = copied(at, 0, index, 'activation');
  const result = activationForward({ shape: [1], data: Float64Array.of(parts.result) }, at.options as never).data[0];
  return { ...parts, lines: [...parts.lines, { label: `${name}(x)`, value: result }], result };
};

const merging =
  (symbol: string): Explainer =>
  (at, index) => {
    const lines = at.inputs.map((from, k) => ({
      label: `${k ? symbol : ' '} ${at.context.record.nodes[from].name}`,
      value: read(inputOf(at, k), index),
    }));
    const result = read(outputOf(at), index);
    const rects = at.inputs.map((from) => cellRect(from, shapeOf(at, from), index));
    return { groups: [], lines, rects, equation: 'merge', result };
  };

const concatenation: Explainer = (at, index) => {
  let channel = index[index.length - 1];
  const k = at.inputs.findIndex((from) => {
    const width = shapeOf(at, from)[index.length - 1];
    if (channel < width) return true;
    channel -= width;
    return false;
  });
  return copied(at, k, [...index.slice(0, -1), channel], 'concatenate');
};

const padding =
  (direction: 1 | -1): Explainer =>
  (at, index) => {
    const shape = shapeOf(at, at.inputs[0]);
    const pads = direction === 1 ? at.options.pads : negated(at.options.pads);
    const source = paddingSources(shape, pads).source[flat(shapeOf(at), index)];
    if (source < 0) return { ...empty('padding'), lines: [{ label: 'a cell of the padding', value: 0 }], result: 0 };
    return copied(at, 0, unflat(shape, source), direction === 1 ? 'padding' : 'cropping');
  };

const reshaping: Explainer = (at, index) =>
  copied(at, 0, unflat(shapeOf(at, at.inputs[0]), flat(shapeOf(at), index)), 'reshape');
const scaled = (value: number | number[], c: number): number =>
  Array.isArray(value) ? value[c % value.length] : value;

const rescaling: Explainer = (at, index) => {
  const parts = copied(at, 0, index, 'rescaling');
  const c = index[index.length - 1];
  const [scale, offset] = [scaled(at.options.scale, c), scaled(at.options.offset, c)];
  const result = parts.result * scale + offset;
  return {
    ...parts,
    lines: [...parts.lines, { label: '· scale', value: scale }, { label: '+ offset', value: offset }],
    result,
  };
};

const explainers = new Map<string, Explainer>([
  ['InputLayer', (at, index) => ({ ...empty('input'), result: read(outputOf(at), index) })],
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
  ...['Activation', 'ReLU', 'LeakyReLU', 'ELU', 'Softmax'].map((name): [string, Explainer] => [name, activation]),
  ...['Dropout', 'SpatialDropout2D', 'RandomFlip', 'RandomTranslation', 'RandomRotation', 'RandomZoom'].map(
    (name): [string, Explainer] => [name, (at, index) => copied(at, 0, index, 'identity')],
  ),
  ['Flatten', reshaping],
  ['Reshape', reshaping],
  ['ZeroPadding2D', padding(1)],
  ['Cropping2D', padding(-1)],
  ['UpSampling2D', upsampling],
  ['Rescaling', rescaling],
  ['Concatenate', concatenation],
  ['Add', merging('+')],
  ['Subtract', merging('−')],
  ['Multiply', merging('×')],
  ['Average', merging('and')],
  ['Maximum', merging('or')],
  ['Minimum', merging('or')],
]);

export function explainForward(context: Context, node: number, index: number[]): Explanation {
  const at = lookAt(context, node);
  const explain = explainers.get(at.layer.class);
  const recorded = read(outputOf(at), index);
  if (!explain || at.layer.options.unsupported)
    return {
      target: indexed('y', index),
      groups: [],
      rects: [],
      equation: 'other',
      result: recorded,
      lines: [{ label: 'recorded', value: recorded }],
      note: `The page does not compute ${at.layer.class}: this is the recorded value.`,
    };
  const parts = explain(at, index);
  const { activation } = at.layer;
  if (!activation)
    return { target: indexed('y', index), ...parts, lines: [...parts.lines, { label: 'y', value: parts.result }] };
  const lines = [...parts.lines, { label: 'z', value: parts.result }];
  if (activation.name.endsWith('softmax')) {
    const z = context.values.nodes[node].z;
    if (!z) return { target: indexed('y', index), ...parts, lines };
    const after = softmaxParts(z, index, activation.name);
    return {
      target: indexed('y', index),
      ...parts,
      groups: [...parts.groups, ...after.groups],
      lines: [...lines, ...after.lines],
      result: after.result,
    };
  }
  const y = activationForward({ shape: [1], data: Float64Array.of(parts.result) }, activation).data[0];
  return {
    target: indexed('y', index),
    ...parts,
    lines: [...lines, { label: `y = ${activation.name}(z)`, value: y }],
    result: y,
  };
}
