"""GraphQL: one schema (`chalicelib/api/schema.graphql`), one table of resolvers, one Lambda function."""
