/**
 * The forms that PEM comes in from consoles, files, environment variables and JSON. Each says the same as the text
 * itself.
 */
export const pemForms: Readonly<Record<string, (pem: string) => string>> = {
  'as OpenSSL writes it': (pem) => pem,
  'with a byte order mark': (pem) => `\ufeff${pem}`,
  'with line breaks of Windows': (pem) => pem.replaceAll('\n', '\r\n'),
  'with line breaks of old': (pem) => pem.replaceAll('\n', '\r'),
  'with blank lines': (pem) => `\n\n${pem.replaceAll('\n', '\n\n')}\n`,
  'with indented lines': (pem) => pem.replace(/^(?=.)/gm, '    '),
  'with blanks at the ends of lines': (pem) => pem.replaceAll('\n', '  \t\n'),
  'with line breaks written as \\n': (pem) => pem.replaceAll('\n', '\\n'),
  'with line breaks written as \\r\\n': (pem) => pem.replaceAll('\n', '\\r\\n'),
  'with line breaks written as \\\\n': (pem) => pem.replaceAll('\n', '\\\\n'),
  'with slashes as some write them in JSON': (pem) => pem.replaceAll('/', '\\/').replaceAll('\n', '\\n'),
  'with spaces in the place of line breaks': (pem) => pem.replaceAll('\n', ' '),
  'without any line break': (pem) => pem.replaceAll('\n', ''),
  'in one line between its own': (pem) => pem.replace(/([A-Za-z0-9+/=])\n(?!-|\n)(?=[A-Za-z0-9+/=]+\n)/g, '$1'),
  'in double quotes': (pem) => `"${pem}"`,
  'in single quotes, within which line breaks are \\n': (pem) => `'${pem.replaceAll('\n', '\\n')}'`,
  'with text around it': (pem) => `Issued by our CA, see https://ca.example/\n\n${pem}\nSincerely, the CA\n`,
  'with the attributes of PKCS#12': (pem) =>
    pem.replaceAll(
      /^-----BEGIN/gm,
      'Bag Attributes\n    localKeyID: D8 A7 47 C2\nsubject=CN = x\n\nissuer=CN = x\n-----BEGIN',
    ),
};
