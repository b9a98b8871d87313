"""Amazon Bedrock's Converse API as one that conversations are sent to."""
