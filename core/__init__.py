"""The workbench below its pages and routes: quota, routing, caching, accounts and storage."""
