import type { ConfigDraft } from './config-draft.ts';

/** A named value in a text: `sslmode=require`, a line of a `.env`, a field of a JSON object. */
export interface Setting {
  readonly name: string;
  readonly value: string;
}

/** A connection URL in its parts, each percent-decoded once. Nothing of it is looked up or judged. */
export interface ConnectionUrl {
  /** The scheme in lower case, without `jdbc:` and without what stands behind a plus: `mongodb`. */
  readonly scheme: string;
  /** What stands behind the scheme and a plus or a colon, in lower case: `srv`, `https`; empty when nothing does. */
  readonly variant: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** The hosts without brackets, in the order in which they stand there. */
  readonly hosts: readonly UrlHost[];
  /** The parts of the path between its slashes, without empty ones at its ends. */
  readonly path: readonly string[];
  /** True when the path ends in a slash. */
  readonly endsInSlash: boolean;
  readonly parameters: readonly Setting[];
  /** The path as it is written, without the query. */
  readonly rawPath: string;
  /** The query as it is written, without the question mark. */
  readonly rawQuery: string;
  /** What stands behind the # of an http URL. */
  readonly fragment: string;
}

export interface UrlHost {
  readonly host: string;
  /** The port as it is written. */
  readonly port: string | undefined;
}

/** A text that was taken apart, before it is known for which type it is. */
export interface ConnectionText {
  /** The URLs in it: the text itself, or the values of settings. */
  readonly urls: readonly GivenUrl[];
  /** The settings of JSON objects and of strings of ADO.NET that are the values of settings. */
  readonly within: readonly Setting[];
  /** The other settings that are no URLs, without the parameters of the URLs. */
  readonly settings: readonly Setting[];
}

export interface GivenUrl {
  readonly url: ConnectionUrl;
  /** The setting whose value it is; undefined when it is the whole text. */
  readonly setting: Setting | undefined;
}

/** Puts a setting into the config, or notes that it is not taken. `name` is how the text writes its name. */
export type ReadSetting = (value: string, draft: ConfigDraft, name: string) => void;

/** Where a setting goes: to the field with this config path, or wherever a function puts it. */
export type SettingReader = string | ReadSetting;

/**
 * How a connector reads the texts that people have for its type. Settings that are named as its config fields are, in
 * any spelling and behind its id (`FIREBOLT_CLIENT_ID`, `client id`), are read without a word here.
 */
export interface ConnectionTexts {
  /** Texts that are read for the type, their values invented. A form shows them as placeholders. */
  readonly examples: readonly string[];
  /** The schemes of URLs that mean this type, without `jdbc:`. */
  readonly schemes?: readonly string[];
  /** Schemes that other types read as well: they mean this one only where `places` says so. */
  readonly sharedSchemes?: readonly string[];
  /** Recognises a place of this type by `host:port/path`. The host is in lower case, and the port may be left out. */
  readonly places?: RegExp;
  /** What variables of this type begin with, besides its id: in lower case, letters and digits alone. */
  readonly prefixes?: readonly string[];
  /** The same where other types have them too: they do not tell the type. */
  readonly sharedPrefixes?: readonly string[];
  /** Settings that only texts for this type have, written as the keys of `settings` are. */
  readonly signs?: readonly string[];
  /** Settings that are named otherwise than config fields, by their name in lower case, letters and digits alone. */
  readonly settings?: Readonly<Record<string, SettingReader>>;
  /** Puts the parts of a URL into the config, but for its parameters. Left out: as of a database server's. */
  readonly readUrl?: (url: ConnectionUrl, draft: ConfigDraft) => void;
  /** True when `readUrl` takes the query as a whole, so that its parameters are no settings. */
  readonly takesQuery?: boolean;
}

/** The name as it is compared: in lower case, letters and digits alone. */
export function plainName(name: string): string {
  return name.replace(/[^A-Za-z0-9]+/g, '').toLowerCase();
}
