"""generateContent as Gemini has it, on the paths of Vertex and of the Developer API."""
