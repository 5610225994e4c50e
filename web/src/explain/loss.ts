/** The loss written out, and the walk of the chain rule from it back to one cell. */
import { activationForward } from '../engine/activations';
import { isCrossentropy, lossOf, targetDistribution } from '../engine/losses';
import { consumersOf, layerOf, logitsOf } from '../engine/network';
import { explainGate, explainInputGradient } from './backward';
import { read, unflat, type Context, type Explanation, type Line, type Term } from './types';

export interface LossView {
  class: string;
  logits: number[] | null;
  probabilities: number[];
  targets: number[];
  gradient: number[];
  value: number;
  lines: Line[];
}

/** One loss with its numbers by class. */
export function explainLoss(context: Context, k: number): LossView | null {
  const loss = context.record.losses[k];
  const [output, target] = [context.values.nodes[loss.node].output, context.targets[k]];
  if (!output || !target) return null;
  const logits = loss.fused
    ? logitsOf(context.record, context.values, loss.node)
    : loss.options.from_logits
      ? output
      : null;
  const n = output.data.length;
  const targets = [...targetDistribution(loss.class, target, n, loss.options.label_smoothing ?? 0).data];
  const { value, gradient } = lossOf(loss.class, loss.options, output, target, logits);
  const name = loss.class === 'BinaryCrossentropy' ? 'sigmoid' : 'softmax';
  const probabilities = [...(loss.options.from_logits ? activationForward(output, { name }) : output).data];
  return {
    class: loss.class,
    logits: logits && [...logits.data],
    probabilities,
    targets,
    gradient: [...gradient.data],
    value,
    lines: lossLines(loss.class, probabilities, targets, value),
  };
}

function lossLines(kind: string, p: number[], t: number[], value: number): Line[] {
  if (!isCrossentropy(kind)) return [{ label: 'loss', value }];
  if (kind === 'BinaryCrossentropy')
    return [
      ...p.flatMap((pi, i) => [
        { label: `p[${i}]`, value: pi },
        { label: t[i] ? `− log p[${i}]` : `− log (1 − p[${i}])`, value: -Math.log(t[i] ? pi : 1 - pi) },
      ]),
      { label: 'loss', value },
    ];
  const truth = t.indexOf(Math.max(...t));
  return [
    { label: `p[${truth}], of the true class`, value: p[truth] },
    { label: `− log p[${truth}]`, value: -Math.log(p[truth]) },
    { label: 'loss', value },
  ];
}

interface Place {
  node: number;
  index: number[];
}

/** One link of the chain: the gradient at `index` of `node`, and how the layer after it made most of it. */
export interface Link {
  node: number;
  index: number[];
  gradient: number;
  /** The layer the gradient comes through, and its sum. Null at the end of the network, where the loss is. */
  consumer: number | null;
  explanation: Explanation | null;
  /** The largest term of that sum, which the walk follows. */
  through: Term | null;
  gate: Explanation | null;
}

/** From a cell to the loss along the largest contribution of each sum; read backwards it is the way the gradient came. */
export function walk(context: Context, node: number, index: number[]): Link[] {
  const consumers = consumersOf(context.record);
  const links: Link[] = [];
  let at: Place | null = { node, index };
  while (at) {
    const { values } = context;
    const here: Place = at;
    const gate: Explanation | null = layerOf(context.record, at.node).activation
      ? explainGate(context, at.node, at.index)
      : null;
    const gradient = read(values.nodes[at.node].d_output, at.index);
    const best: { to: { node: number; input: number }; sent: number } | undefined = consumers[at.node]
      .map((to) => ({ to, sent: Math.abs(read(values.nodes[to.node].d_inputs[to.input], here.index)) }))
      .sort((a, b) => b.sent - a.sent)[0];
    if (!best || Number.isNaN(best.sent)) {
      links.push({ ...at, gradient, consumer: null, explanation: null, through: null, gate });
      break;
    }
    const explanation = explainInputGradient(context, best.to.node, best.to.input, at.index);
    const terms = explanation.groups.flatMap((group) => group.terms).filter((term) => term.from);
    const through = terms.reduce<Term | null>(
      (a, b) => (!a || Math.abs(b.product) > Math.abs(a.product) ? b : a),
      null,
    );
    links.push({ ...at, gradient, consumer: best.to.node, explanation, through, gate });
    const [rect] = explanation.rects;
    const shape: number[] = context.record.nodes[best.to.node].shape;
    const next: number[] | undefined = through?.from ?? (rect && fromRect(shape, rect));
    at = next ? { node: best.to.node, index: next } : null;
  }
  return links;
}

const fromRect = (shape: number[], rect: { top: number; left: number; channel: number | null }): number[] =>
  shape.length === 3 ? [rect.top, rect.left, rect.channel ?? 0] : unflat(shape, rect.left);
