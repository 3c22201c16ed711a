import type { ObjectFieldTemplateProps, RJSFSchema, UiSchema } from '@rjsf/utils';

/** A part of a type's form, as `Connector.formLayout` has it. */
export interface FormGroup {
  title: string;
  fields: string[];
}

/** Draws the root in the groups that the form has as its `formContext`; the blocks within it stay as they are. */
export const inGroups: UiSchema<object, RJSFSchema, FormGroup[]> = {
  'ui:ObjectFieldTemplate': FormGroups,
  // its group has the same heading
  tls: { 'ui:title': '' },
};

function FormGroups({ properties, registry }: ObjectFieldTemplateProps<object, RJSFSchema, FormGroup[]>) {
  const contents = new Map(properties.map(({ name, content }) => [name, content]));
  return registry.formContext.map(({ title, fields }) => (
    <fieldset key={title} className="group">
      <legend>{title}</legend>
      {namesOf(fields).map((name) => contents.get(name))}
    </fieldset>
  ));
}

/** What of the root holds these fields: `tls.mode` and `tls.serverName` are both in the block `tls`. */
function namesOf(paths: readonly string[]): string[] {
  return [...new Set(paths.map((path) => path.replace(/\..*/, '')))];
}
