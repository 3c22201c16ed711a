import { getDefaultRegistry } from '@rjsf/core';
import type { RJSFSchema, RJSFValidationError, WidgetProps } from '@rjsf/utils';
import type { FormGroup } from './form-groups.tsx';

type Props = WidgetProps<object, RJSFSchema, FormGroup[]>;

const { TextWidget, TextareaWidget } = getDefaultRegistry<object, RJSFSchema, FormGroup[]>().widgets;

/** A text in one line; a certificate, as its media type says, in several. */
function Text(props: Props) {
  const Widget = props.schema.contentMediaType === 'application/x-pem-file' ? TextareaWidget : TextWidget;
  return Widget && <Widget {...props} />;
}

export const widgets = { TextWidget: Text };

/** What a validator says of a schema's branches as a whole, besides what is wrong within the one that is shown. */
const OF_BRANCHES = ['oneOf', 'anyOf', 'if', 'additionalProperties'];

/** The validator's errors that people can mend, in their words. */
export function clearErrors(errors: RJSFValidationError[]): RJSFValidationError[] {
  return errors
    .filter(({ name = '' }) => !OF_BRANCHES.includes(name))
    .map((error) => (error.name === 'required' ? { ...error, message: 'A value is missing.' } : error));
}
