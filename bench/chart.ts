/** Bars that belong together. */
export interface Group {
  readonly name: string;
  readonly bars: readonly { readonly name: string; readonly value: number }[];
}

const COLOURS = ['#2563eb', '#94a3b8', '#f59e0b', '#8b5cf6', '#10b981', '#6ee7b7', '#ef4444', '#fca5a5'];
const BAR = 34;
const GAP = 40;
const LEFT = 20;
const LEGEND = 125;
const TOP = 60;
const HEIGHT = 220;

/** Draws groups of bars as SVG, each bar with its figure above it; colours stand for names. */
export function drawChart(title: string, groups: readonly Group[]): string {
  const most = Math.max(...groups.flatMap(({ bars }) => bars.map(({ value }) => value)));
  const names = groups[0]?.bars.map(({ name }) => name) ?? [];
  const widthOf = ({ bars }: Group) => bars.length * BAR + GAP;
  const width =
    LEFT +
    Math.max(
      LEGEND * names.length,
      groups.reduce((sum, group) => sum + widthOf(group), 0),
    );
  let x = LEFT;
  const drawn = groups.map((group) => {
    const bars = group.bars.map(({ value }, at) => barAt(x + at * BAR, value / most, value.toFixed(2), colour(at)));
    const label = text(x, TOP + HEIGHT + 20, group.name);
    x += widthOf(group);
    return [...bars, label].join('\n');
  });
  const legend = names.map((name, at) => {
    const left = LEFT + at * LEGEND;
    return `<rect x="${left}" y="34" width="10" height="10" fill="${colour(at)}"/>${text(left + 14, 43, name)}`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${TOP + HEIGHT + 40}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="white"/>',
    text(LEFT, 20, title),
    ...legend,
    ...drawn,
    '</svg>',
    '',
  ].join('\n');
}

function barAt(x: number, part: number, figure: string, fill: string): string {
  const height = Math.round(part * (HEIGHT - 20));
  const y = TOP + HEIGHT - height;
  return `<rect x="${x}" y="${y}" width="${BAR - 6}" height="${height}" fill="${fill}"/>${text(x, y - 4, figure)}`;
}

function text(x: number, y: number, content: string): string {
  return `<text x="${x}" y="${y}">${content}</text>`;
}

function colour(at: number): string {
  return COLOURS[at % COLOURS.length] ?? 'black';
}
