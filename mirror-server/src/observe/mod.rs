//! What is shown of a server: metrics, health, API and status page. Never changes anything.
