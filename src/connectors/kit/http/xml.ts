const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** The text of the first element of this name, which must hold no others; undefined when there is none. */
export function elementOf(xml: string, name: string): string | undefined {
  const start = xml.indexOf(`<${name}>`) + name.length + 2;
  const end = xml.indexOf(`</${name}>`, start);
  return start < name.length + 2 || end < 0 ? undefined : unescapeXml(xml.slice(start, end));
}

function unescapeXml(text: string): string {
  return text.replace(
    /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,4}));/gi,
    (whole, decimal?: string, hex?: string, name = '') => {
      const point = decimal ? Number(decimal) : hex ? Number.parseInt(hex, 16) : undefined;
      if (point !== undefined) return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
      return ENTITIES[name] ?? whole;
    },
  );
}
