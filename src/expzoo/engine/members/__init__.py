"""Members side by side: their memory, their products, and the operations that keep each one's bits its own."""
