"""From traces to readings: plain arrays with the words that go with them."""
