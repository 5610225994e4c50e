/** The chosen sum as an exercise: factors given, products and sums left blank, answers apart. */
import type { Explanation, Group } from './types';

export interface SheetTable {
  name: string;
  rows: number;
  columns: number;
  cells: string[];
  blank: boolean;
}

export interface SheetPart {
  title: string;
  tables: SheetTable[];
  sum: { label: string; answer: string };
}

export interface Worksheet {
  title: string;
  parts: SheetPart[];
  given: { label: string; value: string }[];
  asked: { label: string; answer: string }[];
}

const MOST_GROUPS = 2;
const MOST_TERMS = 49;

/** Rounding to some decimals: two, or more where the numbers are small. */
class Rounding {
  readonly decimals: number;

  constructor(values: number[]) {
    const largest = values.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
    this.decimals = largest > 0 ? Math.min(Math.max(2, 1 - Math.floor(Math.log10(largest))), 12) : 2;
  }

  round(value: number): number {
    return Number(value.toFixed(this.decimals));
  }

  text(value: number): string {
    const rounded = this.round(value);
    return rounded === 0
      ? '0'
      : String(Math.abs(rounded) < 1e-4 ? rounded.toFixed(this.decimals) : rounded).replace('-', '−');
  }
}

/** Numbers are rounded first, and the answers are those of the rounded numbers. */
export function worksheet(explanation: Explanation, title: string): Worksheet {
  const groups = [...explanation.groups].filter((group) => group.names.b && group.names.a && group.terms.length);
  const chosen = groups.sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum)).slice(0, MOST_GROUPS);
  if (!chosen.length) return withoutProducts(explanation, title);
  const numbers = new Rounding(explanation.lines.map((line) => line.value));
  const round = (value: number) => numbers.round(value);
  const text = (value: number) => numbers.text(value);
  const made = chosen.map((group) => partOf(group, numbers));
  const parts = made.map(({ part }) => part);
  const sums = made.map(({ sum }) => sum);
  const all = explanation.groups.reduce((sum, group) => sum + group.sum * (group.factor?.value ?? 1), 0);
  const factors = chosen.map((group) => group.factor);
  const shown = chosen.reduce((sum, group) => sum + group.sum * (group.factor?.value ?? 1), 0);
  const hidden = chosen.reduce(
    (sum, group) => sum + group.terms.slice(MOST_TERMS).reduce((s, term) => s + term.product, 0),
    0,
  );
  const rest = round(all - shown + hidden);
  const given = [
    ...factors.flatMap((factor) => (factor ? [{ label: factor.name, value: text(factor.value) }] : [])),
    ...(explanation.groups.length > chosen.length || hidden
      ? [{ label: 'everything else together', value: text(rest) }]
      : []),
  ];
  let total = sums.reduce((sum, value, i) => sum + value * round(factors[i]?.value ?? 1), 0) + rest;
  const asked = [{ label: 'the whole sum', answer: text(total) }];
  const bias = explanation.lines.find((line) => line.label.startsWith('+ b['));
  if (bias) {
    given.push({ label: bias.label.slice(2), value: text(bias.value) });
    total += round(bias.value);
    asked.push({ label: 'with the bias', answer: text(total) });
  }
  const last = explanation.lines[explanation.lines.length - 1];
  if (/relu\(/.test(last.label)) asked.push({ label: last.label, answer: text(Math.max(0, total)) });
  return { title, parts, given, asked };
}

function partOf(group: Group, numbers: Rounding): { part: SheetPart; sum: number } {
  const cut = group.terms.slice(0, MOST_TERMS);
  const order =
    group.columns === 1 ? [...group.terms].sort((a, b) => Math.abs(b.product) - Math.abs(a.product)).slice(0, 10) : cut;
  const [rows, columns] =
    group.columns === 1 || order.length < group.terms.length ? [order.length, 1] : [group.rows, group.columns];
  const [a, b] = [new Rounding(order.map((term) => term.a)), new Rounding(order.map((term) => term.b))];
  const products = order.map((term) => Number((a.round(term.a) * b.round(term.b)).toFixed(a.decimals + b.decimals)));
  const table = (name: string, cells: string[], blank: boolean): SheetTable => ({ name, rows, columns, cells, blank });
  const sum = numbers.round(products.reduce((total, product) => total + product, 0));
  const part = {
    title: group.title,
    tables: [
      table(
        group.names.a,
        order.map((term) => a.text(term.a)),
        false,
      ),
      table(
        group.names.b,
        order.map((term) => b.text(term.b)),
        false,
      ),
      table(
        group.names.product,
        products.map((product) =>
          (Math.abs(product) < 1e-4 && product ? product.toFixed(a.decimals + b.decimals) : String(product)).replace(
            '-',
            '−',
          ),
        ),
        true,
      ),
    ],
    sum: { label: `Σ ${group.names.product}`, answer: numbers.text(sum) },
  };
  return { part, sum };
}

function withoutProducts(explanation: Explanation, title: string): Worksheet {
  const text = (value: number) => new Rounding([value]).text(value);
  const lines = explanation.lines;
  const parts = explanation.groups
    .filter((group) => group.columns <= 11 && group.terms.length <= MOST_TERMS)
    .map((group): SheetPart => {
      const cells = group.terms.map((term) => text(term.a));
      return {
        title: group.title,
        tables: [{ name: group.names.a, rows: group.rows, columns: group.columns, cells, blank: false }],
        sum: { label: `Σ ${group.names.product}`, answer: text(group.sum) },
      };
    });
  const last = lines[lines.length - 1];
  const given = parts.length
    ? []
    : lines
        .slice(0, -1)
        .filter((line) => !/=/.test(line.label))
        .map((line) => ({ label: line.label, value: text(line.value) }));
  return { title, parts, given, asked: last ? [{ label: last.label, answer: text(last.value) }] : [] };
}

/** The sheet as plain text, for the clipboard. */
export function asText(sheet: Worksheet, answers: boolean): string {
  const lines = [sheet.title + (answers ? ' (answers)' : ''), 'Numbers are rounded.', ''];
  for (const part of sheet.parts) {
    lines.push(part.title);
    for (const { name, rows, columns, cells, blank } of part.tables) {
      lines.push(`  ${name}:`);
      for (let r = 0; r < rows; r++)
        lines.push(
          '    ' +
            cells
              .slice(r * columns, (r + 1) * columns)
              .map((cell) => (blank && !answers ? '____' : cell).padStart(8))
              .join(' '),
        );
    }
    lines.push(`  ${part.sum.label} = ${answers ? part.sum.answer : '________'}`, '');
  }
  for (const { label, value } of sheet.given) lines.push(`given: ${label} = ${value}`);
  for (const { label, answer } of sheet.asked) lines.push(`${label} = ${answers ? answer : '________'}`);
  return lines.join('\n');
}
