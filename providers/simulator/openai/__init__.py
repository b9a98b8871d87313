"""Chat completions, Responses, embeddings, images and audio as OpenAI has them."""
