import type { ConfigDraft } from '../../kit/connection-text/config-draft.ts';
import type {
  ConnectionTexts,
  ConnectionUrl,
  ReadSetting,
  SettingReader,
} from '../../kit/connection-text/connection-text.ts';
import { lowersWhen, pem, readHttpScheme, serviceUrl } from '../../kit/connection-text/shared-settings.ts';
import { readUrl } from '../../kit/connection-text/url.ts';
import { isIndexName } from './config.ts';

/** Reads `https://user:password@host:9200/index`; what begins with an underscore is a path of the API. */
function readClusterUrl(url: ConnectionUrl, draft: ConfigDraft): void {
  draft.set('serverType', 'SELF_MANAGED');
  const api = url.path.findIndex((part) => part.startsWith('_'));
  const path = api < 0 ? url.path : url.path.slice(0, api);
  const [last = ''] = path.slice(-1);
  const isIndex = isIndexName(last);
  draft.set('url', serviceUrl(url, isIndex ? path.slice(0, -1) : path), 'url');
  if (isIndex) draft.set('index', last, 'index');
  if (url.hosts.length > 1) draft.ignore('url', 'It names several hosts; the first one was taken.');
  draft.set('username', url.username ?? '', 'username');
  draft.set('password', url.password ?? '', 'password');
  readHttpScheme(url, draft);
}

/** Settings that hold one URL, or several between commas. */
const nodes: ReadSetting = (value, draft, name) => {
  const [first = '', ...more] = value.replace(/^\["?|"?\]$/g, '').split(/"?,\s?"?/);
  const url = readUrl(first);
  if (!url) return draft.ignore(name, 'It is no URL: give it with https:// and its port.');
  readClusterUrl(url, draft);
  if (more.length > 0) draft.ignore(name, 'It names several hosts; the first one was taken.');
};

const settings: Readonly<Record<string, SettingReader>> = {
  url: nodes,
  host: nodes,
  hosts: nodes,
  node: nodes,
  nodes,
  endpoint: nodes,
  cloudid: (value, draft, name) => {
    draft.set('serverType', 'ELASTIC_CLOUD', name);
    draft.set('cloudId', value, name);
  },
  user: 'username',
  pass: 'password',
  indexname: 'index',
  cacert: pem('tls.caCertificate'),
  cafingerprint: (_value, draft, name) =>
    draft.ignore(name, 'The gateway checks the CA itself: give its certificate in tls.caCertificate.'),
  verifycerts: lowersWhen(false, 'REQUIRE'),
};

/** How the texts of either product are read. */
export function elasticTexts(
  own: Pick<ConnectionTexts, 'examples' | 'schemes' | 'places' | 'prefixes'>,
): ConnectionTexts {
  return { sharedSchemes: ['https', 'http'], settings, readUrl: readClusterUrl, ...own };
}
