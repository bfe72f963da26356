"""The services of the synchronous client, generated from those of the asynchronous one."""
