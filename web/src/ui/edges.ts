/** The overview's edges: single lines where they can be told apart, else a band between the two blocks. */
import { feeds, type Feed } from '../explain/feeds';
import type { Context } from '../explain/types';
import { css, rgb } from './colours';
import { centre, depths, skips, type Block, type Layout } from './layout';

export interface Edge {
  path: string;
  kind: 'line' | 'band' | 'skip';
  colour?: string;
  opacity?: number;
}

const MOST_LINES = 300;

export const curve = (x1: number, y1: number, x2: number, y2: number): string => {
  const bend = (x2 - x1) / 2;
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
};

/** Where an edge leaves a map on its right. */
export function leave(block: Block, channel: number): [number, number] {
  const { x, y } = centre(block, channel);
  return [block.kind === 'maps' ? x + block.mapWidth / 2 : block.x + block.width, y];
}

/** Where an edge enters a map on its left. */
export function enter(block: Block, channel: number): [number, number] {
  const { x, y } = centre(block, channel);
  return [block.kind === 'maps' ? x - block.mapWidth / 2 : block.x, y];
}

/** A way around the columns between: above them, or below where another block stands on top of the first. */
function around(a: Block, b: Block, lane: number, bottom: number): string {
  const [x1, x2] = [a.x + a.width, b.x];
  const side = Math.min(10, a.height / 2, b.height / 2);
  const r = a.lower ? -7 : 7;
  const y = a.lower ? bottom - lane : lane;
  const [y1, y2] = a.lower ? [a.y + a.height - side, b.y + b.height - side] : [a.y + side, b.y + side];
  const w = Math.abs(r);
  const up = `M${x1} ${y1}h3q${w} 0 ${w} ${-r}V${y + r}q0 ${-r} ${w} ${-r}`;
  return `${up}H${x2 - 10 - w}q${w} 0 ${w} ${r}V${y2 - r}q0 ${r} ${w} ${r}h3`;
}

function band(a: Block, b: Block): string {
  const [x1, x2] = [a.x + a.width + 2, b.x - 2];
  const middle = (x1 + x2) / 2;
  const [bottom1, bottom2] = [a.y + a.height, b.y + b.height];
  const top = `M${x1} ${a.y}C${middle} ${a.y} ${middle} ${b.y} ${x2} ${b.y}`;
  return `${top}V${bottom2}C${middle} ${bottom2} ${middle} ${bottom1} ${x1} ${bottom1}Z`;
}

/** A line from one map to another; its colour is the sign of the mean weight on it, its strength the size. */
function line(a: Block, b: Block, feed: Feed, f: number, strongest: number, most: number, dark: boolean): Edge {
  const path = curve(...leave(a, feed.channel), ...enter(b, f));
  if (feed.weight === null) return { kind: 'line', path, opacity: 0.5 };
  const colour = css(rgb(Math.sign(feed.weight) * 0.75, 1, 'weight', dark));
  return { kind: 'line', path, colour, opacity: 0.08 + (most * Math.abs(feed.weight)) / (strongest || 1) };
}

function edgesTo(block: Block, context: Context, layout: Layout, depth: number[], dark: boolean): Edge[] {
  return context.record.nodes[block.node].inputs.flatMap((from, input): Edge[] => {
    const source = layout.blocks[from];
    if (skips(depth, from, block.node))
      return [{ kind: 'skip', path: around(source, block, 6 + 5 * (from % 2), layout.height) }];
    const apart = [source, block].every(({ kind, columns }) => kind === 'maps' && columns === 1);
    const channels = Array.from({ length: apart ? block.count : 0 }, (_, f) => f);
    const lists = channels.map((f) => feeds(context, block.node, f).filter((feed) => feed.input === input));
    const all = lists.flat();
    if (!all.length || all.length > MOST_LINES) return [{ kind: 'band', path: band(source, block) }];
    const strongest = Math.max(...all.map((feed) => Math.abs(feed.weight ?? 0)));
    const most = all.length > 40 ? 0.55 : 0.8;
    return lists.flatMap((list, f) => list.map((feed) => line(source, block, feed, f, strongest, most, dark)));
  });
}

export function edgesOf(context: Context, layout: Layout, dark: boolean): Edge[] {
  const depth = depths(context.record);
  return layout.blocks.flatMap((block) => edgesTo(block, context, layout, depth, dark));
}
