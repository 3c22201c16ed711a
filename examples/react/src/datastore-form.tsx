import Form from '@rjsf/core';
import { type ErrorSchema, ErrorSchemaBuilder, type RJSFSchema } from '@rjsf/utils';
import validator from '@rjsf/validator-ajv8';
import { useEffect, useMemo, useState } from 'react';
import { clearErrors, widgets } from './form-fields.tsx';
import { type FormGroup, inGroups } from './form-groups.tsx';
import { useGateway } from './gateway.ts';
import { LiveTest } from './live-test.tsx';

interface Connector {
  type: string;
  title: string;
  configKey: string;
  configSchema: RJSFSchema;
  formLayout: FormGroup[];
}

interface Issue {
  configPath: string | null;
  message: string;
}

const CONNECTORS = '{ connectors { type title configKey configSchema formLayout { title fields } } }';
const CREATE = `mutation ($input: CreateDatastoreInput!) {
  createDatastore(input: $input) {
    ... on CreateDatastoreSuccess { datastore { id } }
    ... on UserError { message issues { configPath message } }
  }
}`;

/** Registers a datastore of any type: the form is the type's JSON Schema in groups, and the test is followed as it goes. */
export function DatastoreForm({ onSaved }: { onSaved: () => void }) {
  const gateway = useGateway();
  const [connectors, setConnectors] = useState<Connector[]>([]);
  const [type, setType] = useState('POSTGRES');
  const [label, setLabel] = useState('');
  const [config, setConfig] = useState<object>({});
  const [testId, setTestId] = useState<string | null>(null);
  const [message, setMessage] = useState('');
  const [issues, setIssues] = useState<Issue[]>([]);

  useEffect(() => {
    gateway.ask<{ connectors: Connector[] }>(CONNECTORS).then(
      (data) => setConnectors(data.connectors),
      (error: Error) => setMessage(error.message),
    );
  }, [gateway]);

  const connector = connectors.find((each) => each.type === type);

  // another object would have the form judge itself anew
  const extraErrors = useMemo(() => errorsOf(issues), [issues]);

  async function save(values: object) {
    const id = crypto.randomUUID();
    setConfig(values);
    setMessage('');
    setIssues([]);
    // the live test listens before the test begins
    setTestId(id);
    const input = { label: label || undefined, config: { [connector?.configKey ?? '']: values }, test: { testId: id } };
    try {
      const { createDatastore: result } = await gateway.ask<{
        createDatastore: { datastore?: { id: string }; message?: string; issues?: Issue[] };
      }>(CREATE, { input });
      if (result.datastore) return onSaved();
      setMessage(result.message ?? '');
      setIssues(result.issues ?? []);
    } catch (error) {
      setMessage((error as Error).message);
    }
  }

  return (
    <section aria-label="New datastore">
      <label>
        Type{' '}
        <select
          value={type}
          onChange={(event) => {
            setType(event.target.value);
            setConfig({});
            setTestId(null);
            setIssues([]);
            setMessage('');
          }}
        >
          {connectors.map((each) => (
            <option key={each.type} value={each.type}>
              {each.title}
            </option>
          ))}
        </select>
      </label>{' '}
      <label>
        Label <input value={label} onChange={(event) => setLabel(event.target.value)} />
      </label>
      {message && <p role="alert">{message}</p>}
      <LiveTest id={testId} />
      {connector && (
        <Form<object, RJSFSchema, FormGroup[]>
          key={type}
          schema={connector.configSchema}
          uiSchema={inGroups}
          formContext={connector.formLayout}
          formData={config}
          validator={validator}
          widgets={widgets}
          transformErrors={clearErrors}
          extraErrors={extraErrors}
          showErrorList={false}
          noHtml5Validate
          onError={() => setMessage('Some fields are missing or wrong: see below.')}
          onSubmit={({ formData }) => void save(formData ?? {})}
        >
          <button type="submit">Test and save</button>
        </Form>
      )}
    </section>
  );
}

/** The gateway's issues where the form shows errors: `tls.mode` stands at the field `mode` of the block `tls`. */
function errorsOf(issues: readonly Issue[]): ErrorSchema {
  const errors = new ErrorSchemaBuilder();
  for (const { configPath, message } of issues) errors.addErrors(message, configPath?.split('.') ?? []);
  return errors.ErrorSchema;
}
