"""A decoder whose whole stack runs several times with the same weights [Universal Transformers, arXiv:1807.03819]. Nothing stands
between the passes, each pass attends to its own keys and values, and the final norm comes once, at the end."""
from references.decoder import Decoder


class Universal(Decoder):
    def hidden(self, inputs):
        x = inputs
        for _ in range(self.config["recurrences"]):
            x = self.stack(x)
        return self.model.norm(x)
