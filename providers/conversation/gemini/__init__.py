"""Gemini's generateContent API, as Vertex AI and the Gemini API have it. The upstream side only."""
