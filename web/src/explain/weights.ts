/** How the gradient of one weight is made: everywhere it was used, what it saw times what came back. */
import type { NormalizationCache } from '../engine/normalization';
import type { Tensor } from '../engine/tensor';
import { middleGradient, MIDDLE } from './backwardSums';
import {
  indexed,
  inputOf,
  lookAt,
  read,
  sumOf,
  total,
  type At,
  type Context,
  type Explanation,
  type Group,
  type Term,
} from './types';

const names = { a: 'x', b: 'dy', product: 'x·dy' };

function positions(
  at: At,
  x: Tensor,
  dy: Tensor,
  [ky, kx]: number[],
  a: (iy: number, ix: number) => number[],
  b: (oy: number, ox: number) => number[],
  swapped = false,
): Group {
  const o = at.options;
  const terms: Term[] = [];
  // In a transposed convolution the input is on the strided side.
  const [small, large] = swapped ? [x, dy] : [dy, x];
  let [rows, columns] = [0, 0];
  for (let y = 0; y < small.shape[0]; y++) {
    const ly = y * o.strides[0] + ky * o.dilation[0] - o.pads[0][0];
    if (ly < 0 || ly >= large.shape[0]) continue;
    rows += 1;
    columns = 0;
    for (let h = 0; h < small.shape[1]; h++) {
      const lx = h * o.strides[1] + kx * o.dilation[1] - o.pads[1][0];
      if (lx < 0 || lx >= large.shape[1]) continue;
      columns += 1;
      const [ia, ib] = swapped ? [a(y, h), b(ly, lx)] : [a(ly, lx), b(y, h)];
      const [va, vb] = [read(x, ia), read(dy, ib)];
      terms.push({ a: va, b: vb, product: va * vb, label: `${indexed('x', ia)} · ${indexed('dy', ib)}`, from: ib });
    }
  }
  return { title: `${terms.length} positions`, names, rows, columns, terms, sum: sumOf(terms), channel: 0 };
}

/** All of `dy` in one channel: what a bias or a shift collects. */
function channelSum(dy: Tensor, f: number): Group {
  const features = dy.shape[dy.shape.length - 1];
  const terms: Term[] = [];
  for (let i = f; i < dy.data.length; i += features) {
    const cell = Math.floor(i / features);
    const index = dy.shape.length === 3 ? [Math.floor(cell / dy.shape[1]), cell % dy.shape[1], f] : [f];
    terms.push({ a: 1, b: dy.data[i], product: dy.data[i], label: indexed('dy', index), from: index });
  }
  const [rows, columns] = dy.shape.length === 3 ? [dy.shape[0], dy.shape[1]] : [terms.length, 1];
  return {
    title: `${terms.length} positions`,
    names: { a: '', b: 'dy', product: 'dy' },
    rows,
    columns,
    terms,
    sum: sumOf(terms),
    channel: f,
  };
}

function scaleSum(at: At, dy: Tensor, f: number): Group {
  const group = channelSum(dy, f);
  const features = dy.shape[dy.shape.length - 1];
  const { xhat } = at.context.values.nodes[at.node].cache as NormalizationCache;
  const terms = group.terms.map((term, k) => {
    const a = xhat[k * features + f];
    return { ...term, a, product: a * term.b, label: `x̂ · ${term.label}` };
  });
  return { ...group, names: { a: 'x̂', b: 'dy', product: 'x̂·dy' }, terms, sum: sumOf(terms) };
}

function denseTerms(x: Tensor, dy: Tensor, [n, f]: number[]): Group {
  const [inputs, units] = [x.shape[x.shape.length - 1], dy.shape[dy.shape.length - 1]];
  const terms = Array.from({ length: x.data.length / inputs }, (_, row): Term => {
    const [a, b] = [x.data[row * inputs + n], dy.data[row * units + f]];
    return { a, b, product: a * b, label: `x[${n}] · dy[${f}]`, from: dy.shape.length === 1 ? [f] : undefined };
  });
  return {
    title: terms.length === 1 ? 'used once' : `${terms.length} positions`,
    names,
    rows: terms.length,
    columns: 1,
    terms,
    sum: sumOf(terms),
    channel: 0,
  };
}

function callGroup(at: At, name: string, index: number[], dy: Tensor): Group | null {
  const x = inputOf(at);
  if (!x) return null;
  const f = index[index.length - 1];
  if (name === 'bias' || name === 'beta') return channelSum(dy, f);
  if (name === 'gamma') return scaleSum(at, dy, f);
  switch (at.layer.class) {
    case 'Dense':
      return denseTerms(x, dy, index);
    case 'Conv2D': {
      const [, , perGroup, filters] = at.parameters.get('kernel')!.shape;
      const c = Math.floor(f / (filters / at.options.groups)) * perGroup + index[2];
      return positions(
        at,
        x,
        dy,
        index,
        (iy, ix) => [iy, ix, c],
        (oy, ox) => [oy, ox, f],
      );
    }
    case 'DepthwiseConv2D': {
      const multiplier = at.parameters.get('kernel')!.shape[3];
      return positions(
        at,
        x,
        dy,
        index,
        (iy, ix) => [iy, ix, index[2]],
        (oy, ox) => [oy, ox, index[2] * multiplier + f],
      );
    }
    case 'Conv2DTranspose':
      return positions(
        at,
        x,
        dy,
        index,
        (iy, ix) => [iy, ix, f],
        (oy, ox) => [oy, ox, index[2]],
        true,
      );
    case 'SeparableConv2D': {
      if (name === 'pointwise_kernel')
        return denseTerms(at.context.values.nodes[at.node].cache as Tensor, dy, [index[2], f]);
      const multiplier = at.parameters.get('depthwise_kernel')!.shape[3];
      return positions(
        at,
        x,
        middleGradient(at, dy),
        index,
        (iy, ix) => [iy, ix, index[2]],
        (oy, ox) => [oy, ox, index[2] * multiplier + f],
      );
    }
    default:
      return null;
  }
}

function equationOf(layer: string, name: string): string {
  if (name === 'bias' || name === 'beta') return 'shift-dw';
  if (name === 'gamma') return 'scale-dw';
  return layer === 'Dense' || name === 'pointwise_kernel' ? 'dense-dw' : 'conv2d-dw';
}

/** The gradient of one number of a layer's parameter, over all calls of the layer. */
export function explainWeight(context: Context, layer: number, name: string, index: number[]): Explanation {
  const { record, values } = context;
  const target = indexed(`d${name}`, index);
  const equation = equationOf(record.layers[layer].class, name);
  const settings = record.layers[layer].parameters.find((parameter) => parameter.name === name);
  const calls = record.nodes.flatMap((node, k) => (node.layer === layer ? [k] : []));
  const groups = calls.flatMap((node) => {
    const dy = values.nodes[node].d_z;
    const group = dy ? callGroup(lookAt(context, node), name, index, dy) : null;
    return group
      ? [{ ...group, title: calls.length > 1 ? `${record.nodes[node].name}: ${group.title}` : group.title }]
      : [];
  });
  const recorded = read(values.gradients[layer].get(name), index);
  if (!groups.length)
    return {
      target,
      groups,
      lines: [{ label: 'recorded', value: recorded }],
      rects: [],
      equation,
      result: recorded,
      note: 'The page does not write this sum out.',
    };
  const sum = total(groups);
  const { l1 = 0, l2 = 0 } = settings ?? {};
  const w = read(context.parameters[layer].get(name), index);
  const penalty = l1 * Math.sign(w) + 2 * l2 * w;
  const lines = [
    { label: 'Σ over the positions', value: sum },
    ...(l1 || l2
      ? [{ label: '+ regulariser', value: penalty, how: `l1·sign(w) + 2·l2·w, w = ${w.toPrecision(4)}` }]
      : []),
    { label: target, value: sum + penalty },
  ];
  const note = name === 'depthwise_kernel' ? MIDDLE : undefined;
  return { target, groups, lines, rects: [], equation, result: sum + penalty, note };
}
