import { graphql } from 'react-relay';

export const page = graphql`
  query DatastorePageQuery($id: ID!) {
    datastore(id: $id) {
      ...DatastorePageTests
      ...DatastorePageUsages
      ...DatastorePageRevisions
    }
  }
`;

export const tests = graphql`
  fragment DatastorePageTests on Datastore
  @refetchable(queryName: "DatastorePageTestsPaginationQuery")
  @argumentDefinitions(first: { type: "Int", defaultValue: 10 }, after: { type: "String" }) {
    connectionTests(first: $first, after: $after) @connection(key: "DatastorePage_connectionTests") {
      edges {
        node {
          id
          status
        }
      }
    }
  }
`;

export const usages = graphql`
  fragment DatastorePageUsages on Datastore
  @refetchable(queryName: "DatastorePageUsagesPaginationQuery")
  @argumentDefinitions(first: { type: "Int", defaultValue: 10 }, after: { type: "String" }) {
    usages(first: $first, after: $after) @connection(key: "DatastorePage_usages") {
      edges {
        node {
          id
          name
        }
      }
    }
  }
`;

export const revisions = graphql`
  fragment DatastorePageRevisions on Datastore
  @refetchable(queryName: "DatastorePageRevisionsPaginationQuery")
  @argumentDefinitions(first: { type: "Int", defaultValue: 10 }, after: { type: "String" }) {
    revisions(first: $first, after: $after) @connection(key: "DatastorePage_revisions") {
      edges {
        node {
          version
          at
        }
      }
    }
  }
`;
