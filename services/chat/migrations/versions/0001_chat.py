"""Chunks with their terms and vectors, and the answers that were given."""

from alembic import op

revision = "chat_0001"
down_revision = None


def upgrade() -> None:
    op.execute("""
    CREATE EXTENSION IF NOT EXISTS vector;

    -- One row per indexed document: sums over it are the collection statistics of BM25.
    CREATE TABLE chat.indexed (
        document_id text PRIMARY KEY REFERENCES ledger.documents ON DELETE CASCADE,
        workspace_id text NOT NULL REFERENCES ledger.workspaces,
        reading_key text NOT NULL, language text, encoder text NOT NULL,
        chunks int NOT NULL, terms int NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE INDEX indexed_workspace ON chat.indexed (workspace_id) INCLUDE (chunks, terms, language);

    CREATE TABLE chat.chunks (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        workspace_id text NOT NULL,
        document_id text NOT NULL REFERENCES chat.indexed ON DELETE CASCADE,
        number int NOT NULL, page int NOT NULL,
        start_offset int NOT NULL, end_offset int NOT NULL,
        language text, text text NOT NULL,
        -- Analysed by services/chat/terms.py, with the workspace as one more lexeme.
        terms tsvector NOT NULL,
        vector vector(384) NOT NULL,
        UNIQUE (document_id, number),
        CHECK (0 <= start_offset AND start_offset < end_offset));
    CREATE INDEX chunks_terms ON chat.chunks USING gin (terms);
    CREATE INDEX chunks_vector ON chat.chunks USING hnsw (vector vector_cosine_ops);

    CREATE TABLE chat.answers (
        id text PRIMARY KEY,
        workspace_id text NOT NULL REFERENCES ledger.workspaces,
        question text NOT NULL, content text NOT NULL,
        abstained boolean NOT NULL, engine text NOT NULL, model text NOT NULL,
        annotations jsonb NOT NULL, passages jsonb NOT NULL,
        asked_by text NOT NULL, created_at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE INDEX answers_workspace ON chat.answers (workspace_id, id DESC);

    -- An answer holds words of the documents it was drawn from: it goes when one of them goes.
    CREATE TABLE chat.sources (
        answer_id text NOT NULL REFERENCES chat.answers ON DELETE CASCADE,
        document_id text NOT NULL REFERENCES ledger.documents ON DELETE CASCADE,
        PRIMARY KEY (answer_id, document_id));
    CREATE INDEX sources_document ON chat.sources (document_id);
    CREATE FUNCTION chat.forget_answer() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN DELETE FROM chat.answers WHERE id = OLD.answer_id; RETURN NULL; END $$;
    CREATE TRIGGER sources_forget AFTER DELETE ON chat.sources
        FOR EACH ROW EXECUTE FUNCTION chat.forget_answer();
    """)
