/** An operation that GraphiQL opens with, in a tab of its own. */
export interface GraphiQLExample {
  readonly query: string;
  /** The variables as JSON text. */
  readonly variables?: string;
}

const WELCOME = `# Datastore Gateway
#
# Registers datastores, proves step by step that they
# work, and keeps their secrets sealed: a password goes
# in and never comes out again.
#
# Each tab holds an operation that is ready to run: press
# the triangle, or Ctrl-Enter. What everything means is
# in the book at the left.
#
# This one: who you are, and what can be registered.
query WhatIsThere {
  viewer {
    token {
      name
      scopes
      expiresAt
    }
  }
  environments {
    nodes {
      id
      name
    }
  }
  connectors {
    type
    title
    category
    defaultPort
    secretPaths
    checks {
      name
      title
      runsByDefault
    }
  }
}
`;

const REGISTER = `# Tests a Postgres database, and stores it only when
# every check passes.
#
# Put a database of yours into the variables below. When
# a check fails, the answer begins with what to do about
# it; nothing is stored then.
mutation RegisterDatastore($input: CreateDatastoreInput!) {
  createDatastore(input: $input) {
    __typename
    ... on CreateDatastoreSuccess {
      datastore {
        id
        name
        label
        type
        configJson
        secrets {
          path
          isSet
        }
        lastTest {
          id
          status
        }
      }
    }
    ... on UserError {
      code
      issues {
        configPath
        message
      }
    }
    ... on ConnectionTestFailedError {
      test {
        failure {
          code
          cause
          message
          hint
          configPath
        }
        id
        status
        checks {
          title
          status
          durationMs
          evidence {
            name
            value
          }
        }
      }
    }
  }
}
`;

/** The Postgres that the example of a registration is about. */
export interface ExampleDatabase {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly database: string;
}

const anyPostgres: ExampleDatabase = {
  host: '127.0.0.1',
  port: 5432,
  username: 'postgres',
  password: 'secret',
  database: 'postgres',
};

function registration({ host, port, username, password, database }: ExampleDatabase): string {
  const postgres = { host, port, username, password, database, tls: { mode: 'DISABLE' } };
  const input = { label: 'Orders', config: { postgres }, test: { timeoutMs: 30_000 } };
  return `${JSON.stringify({ input }, null, 2)}\n`;
}

const PROGRESS = `# Follows a test as it goes: an event for each check that
# starts or ends. What happened before comes first, so it
# can be started before, during or after the test.
#
# Put the id of a test into the variables: the answer in
# the tab before has one. For an id that is not in use yet
# it waits a minute. To watch a test live, choose an
# id for it ("test": {"testId": "a new UUID"}), start this
# here, and run that in a second window of this page.
subscription TestProgress($id: ID!) {
  connectionTestProgress(id: $id) {
    sequence
    test {
      status
      checks {
        title
        status
        durationMs
        evidence {
          name
          value
        }
        failure {
          code
          message
          hint
        }
      }
    }
    check {
      name
    }
  }
}
`;

const LIST = `# What is registered, with the newest test of each.
query Datastores {
  datastores(first: 20) {
    totalCount
    nodes {
      id
      type
      name
      label
      version
      environment {
        name
      }
      configJson
      secrets {
        path
        isSet
      }
      lastTest {
        status
        finishedAt
        failure {
          message
          hint
        }
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`;

/** The examples in the order of their tabs. */
export function graphiqlExamples(database: ExampleDatabase = anyPostgres): readonly GraphiQLExample[] {
  return [
    { query: WELCOME },
    { query: REGISTER, variables: registration(database) },
    { query: PROGRESS, variables: '{ "id": "00000000-0000-4000-8000-000000000000" }\n' },
    { query: LIST },
  ];
}
