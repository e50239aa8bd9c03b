"""A small Azure Functions host: the real Python worker library, with HTTP, queues, timers and Event Grid round it."""
