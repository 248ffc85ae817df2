"""Use cases of the ticket office: quote, order, payment, issue."""
